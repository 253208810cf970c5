// files.ts - the user's files, over the socket.

import { RpcError, type Socket } from './socket';

export interface Entry {
        name: string;
        type: 'file' | 'dir' | 'link' | 'other';
        size: number;
        mtime: number;
        mode: number;
        writable: boolean;
        etag: string;
}

export interface Content {
        text: string;
        etag: string;
}

const CHUNK = 192 * 1024;
export const OPEN_MAX = 4 << 20; // an editor is no place for more

export class Files {
        constructor(private readonly socket: Socket) {}

        // Folders first, then by name as people sort: 2 before 10.
        async list(path: string): Promise<Entry[]> {
                const entries = await this.socket.request<Entry[]>(
                        'fs.list',
                        { path },
                        { again: true },
                );
                const by = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
                return entries.sort(
                        (a, b) =>
                                Number(b.type === 'dir') - Number(a.type === 'dir') ||
                                by.compare(a.name, b.name),
                );
        }

        stat(path: string): Promise<Entry> {
                return this.socket.request('fs.stat', { path }, { again: true });
        }

        // The whole text, all of one version.
        async read(path: string): Promise<Content> {
                for (let tries = 0; tries < 4; tries++) {
                        const content = await this.readOnce(path);
                        if (content) return content;
                }
                throw new RpcError('conflict', 'The file changes all the time; it cannot be read.');
        }

        private async readOnce(path: string): Promise<Content | undefined> {
                const parts: Uint8Array[] = [];
                let etag = '',
                        size = 0,
                        at = 0;
                do {
                        const r = await this.socket.request<{
                                data: string;
                                encoding: string;
                                size: number;
                                etag: string;
                        }>('fs.read', { path, offset: at, length: CHUNK }, { again: true });
                        if (r.size > OPEN_MAX)
                                throw new RpcError(
                                        'too_large_here',
                                        'The file is too large for this editor.',
                                );
                        if (parts.length && r.etag !== etag) return undefined;
                        const part =
                                r.encoding === 'base64'
                                        ? fromBase64(r.data)
                                        : new TextEncoder().encode(r.data);
                        if (!part.length && at < r.size) return undefined; // it became shorter
                        parts.push(part);
                        at += part.length;
                        ({ etag, size } = r);
                } while (at < size);
                return { text: decode(parts, at), etag };
        }

        // etag: what must stand there now; "" nothing; null: whatever stands there.
        async write(
                path: string,
                text: string,
                etag: string | null,
        ): Promise<{ size: number; etag: string }> {
                const params = {
                        path,
                        data: text,
                        encoding: 'utf8',
                        ...(etag === null ? {} : { if_match: etag }),
                };
                const max = this.socket.limits?.message_bytes ?? Infinity;
                if (
                        text.length > max / 6 &&
                        new TextEncoder().encode(JSON.stringify(params)).length > max - 256
                )
                        throw new RpcError(
                                'too_large_here',
                                'The file is too large to be saved from here.',
                        );
                return this.socket.request('fs.write', params, { again: true });
        }

        mkdir(path: string): Promise<void> {
                return this.socket.request('fs.mkdir', { path });
        }

        rename(from: string, to: string): Promise<void> {
                return this.socket.request('fs.rename', { from, to });
        }

        remove(path: string, recursive: boolean): Promise<void> {
                return this.socket.request('fs.remove', {
                        path,
                        ...(recursive ? { recursive } : {}),
                });
        }
}

function decode(parts: Uint8Array[], size: number): string {
        const all = new Uint8Array(size);
        let at = 0;
        for (const part of parts) {
                all.set(part, at);
                at += part.length;
        }
        try {
                const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(all);
                if (!text.includes('\0')) return text;
        } catch {
                /* as below */
        }
        throw new RpcError('not_text', 'That is not a text file.');
}

function fromBase64(text: string): Uint8Array {
        return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// What the wire allows as one part of a path; a reason where it does not.
export function nameProblem(name: string): string | undefined {
        if (!name) return 'It needs a name.';
        if (name === '.' || name === '..') return 'That name is taken by the system.';
        if (/[/\0]/.test(name)) return 'A name has no slash in it.';
        if (new TextEncoder().encode(name).length > 255) return 'That name is too long.';
        return undefined;
}
