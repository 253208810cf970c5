// counts.mjs - how often: the full number of ACCEPTANCE.md with COUNT=full, fewer where a sanitizer makes
// each slower. Assertions are the same at any count.
export const variant = process.env.LATCH_VARIANT ?? 'rel';

export function count(full, { asan = Math.ceil(full / 4), tsan = Math.ceil(full / 10) } = {}) {
  if (process.env.COUNT === 'full') return full;
  return { rel: full, asan, tsan }[variant];
}

/** Runs work(item) for each item, at most `width` at once. */
export async function inParallel(items, width, work) {
  const queue = [...items];
  const worker = async () => {
    while (queue.length > 0) await work(queue.shift());
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}

/** Settings that let one test user ask for, and start, as much as it likes. */
export const freely = { limits: { runs_per_minute: 100000, requests_per_minute: 100000000 } };
