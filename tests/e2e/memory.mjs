// memory.mjs - how much memory a server has for itself.
import assert from 'node:assert/strict';
import fs from 'node:fs';

import { variant } from './counts.mjs';

// What is resident of the server's own: a sanitizer's heap lies where no shadow of its does.
const HEAPS = { asan: [0x600000000000, 0x640000000000], tsan: [0x7b0000000000, 0x7c0000000000] };
export function memory(server) {
  const heap = HEAPS[variant];
  if (!heap)
    return Number(/RssAnon:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) * 1024;
  let bytes = 0, counts = false;
  for (const line of fs.readFileSync(`/proc/${server.pid}/smaps`, 'utf8').split('\n')) {
    const at = /^([0-9a-f]+)-/.exec(line)?.[1];
    if (at)
      counts = parseInt(at, 16) >= heap[0] && parseInt(at, 16) < heap[1];
    const kb = /^Rss:\s+(\d+) kB/.exec(line)?.[1];
    if (kb && counts)
      bytes += Number(kb) * 1024;
  }
  assert.ok(bytes > 1 << 20, `${bytes} bytes of heap`);
  return bytes;
}
