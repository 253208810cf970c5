// watch.ts - changes that programs and other windows make: the folders that are open are watched.

import type { Socket } from './socket';

const SETTLE_ms = 250; // several changes are looked at once

export class Watch {
        private readonly numbers = new Map<string, number>(); // by folder; 0: asked for
        private timer = 0;
        private looking = false;

        constructor(
                private readonly socket: Socket,
                private readonly look: () => Promise<void>,
        ) {}

        // These folders, and no others. What cannot be watched is read again as before, by hand.
        folders(wanted: string[]): void {
                if (this.socket.state !== 'open') return;
                for (const path of wanted) if (!this.numbers.has(path)) void this.add(path);
                for (const [path, watch] of [...this.numbers])
                        if (watch && !wanted.includes(path)) {
                                this.numbers.delete(path);
                                this.socket.request('fs.unwatch', { watch }).catch(() => {});
                        }
        }

        // Another socket: the watches of the old one went with it.
        renewed(): void {
                this.numbers.clear();
        }

        notice(method: string, p: any): void {
                if (method !== 'fs.changed') return;
                if (p.change === 'removed' && this.numbers.get(p.path) === p.watch)
                        this.numbers.delete(p.path); // that was its last word
                if (!this.timer) this.timer = window.setTimeout(() => void this.run(), SETTLE_ms);
        }

        private async add(path: string): Promise<void> {
                this.numbers.set(path, 0);
                try {
                        const r = await this.socket.request<{ watch: number }>('fs.watch', { path });
                        if (this.numbers.has(path)) this.numbers.set(path, r.watch);
                } catch {
                        this.numbers.delete(path);
                }
        }

        private async run(): Promise<void> {
                this.timer = 0;
                if (this.looking) {
                        this.timer = window.setTimeout(() => void this.run(), SETTLE_ms);
                        return;
                }
                this.looking = true;
                // What cannot be read now is read at the next change, or when the socket is back.
                await this.look().catch(() => {});
                this.looking = false;
        }
}
