// drafts.ts - what is not saved yet, kept for this tab: a reload or a tab put to sleep loses
// nothing.

export interface Draft {
        text: string;
        etag: string; // of the version that was being changed
}

const PREFIX = 'latch.draft:';
const DELAY_MS = 400;

export class Drafts {
        private readonly timers = new Map<string, number>();

        of(path: string): Draft | undefined {
                try {
                        return JSON.parse(sessionStorage.getItem(PREFIX + path) ?? '') as Draft;
                } catch {
                        return undefined;
                }
        }

        keep(path: string, draft: () => Draft): void {
                if (this.timers.has(path)) return;
                this.timers.set(
                        path,
                        window.setTimeout(() => {
                                this.timers.delete(path);
                                try {
                                        sessionStorage.setItem(
                                                PREFIX + path,
                                                JSON.stringify(draft()),
                                        );
                                } catch {
                                        /* over the browser's quota: the page still has it, and warns before it goes */
                                }
                        }, DELAY_MS),
                );
        }

        drop(path: string): void {
                window.clearTimeout(this.timers.get(path));
                this.timers.delete(path);
                sessionStorage.removeItem(PREFIX + path);
        }

        clear(): void {
                for (const key of Object.keys(sessionStorage))
                        if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
        }
}
