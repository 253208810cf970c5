// stream.ts - one session as this page has it: how far its output has come, what of its input is
// owed.
//
// It outlives sockets. After a break it is attached again from the offset it has got to, under the
// same client key, and sends again what the server has not taken: nothing is skipped, nothing
// applied twice.

import { Kind, type Socket } from './socket';

export interface Watcher {
        name: string; // "": whoever runs the server
        role: string;
}

export interface Exit {
        verdict: string;
        code?: number;
        signal?: string | number;
        usage?: { wall_ms?: number; cpu_ms?: number; peak_bytes?: number };
}

// Where the output goes. `done` is called once the bytes have been drawn: only then are they
// acknowledged.
export interface Sink {
        output(kind: number, bytes: Uint8Array, done: () => void): void;
        replaying(on: boolean): void; // bytes written from now on are (not) the past: answer no queries
        gap(bytes: number): void;
        driver(driver: boolean): void;
        resized(cols: number, rows: number): void; // by whoever drives
        expiring(in_ms: number): void; // unused, it ends then; 0: it does not
        viewers(viewers: number, watchers: Watcher[]): void; // how many are there; who of them does not own it
        inputLost(why: string): void;
        exit(exit: Exit): void; // after all output has been drawn
        size(): { cols: number; rows: number };
}

interface Attached {
        channel: number;
        offset: number;
        head: number;
        replay: 'exact' | 'snapshot';
        input_offset: number;
        driver: boolean;
        viewers?: number;
        watchers?: Watcher[];
}

const ACK_BYTES = 32 * 1024;
const ACK_IDLE_MS = 80;
const INPUT_FRAME = 16 * 1024; // a holder takes at most 32 KiB at once
const INPUT_WINDOW = 32 * 1024; // half of what a server keeps unread
export const INPUT_MAX = 1 << 20;

export class Stream {
        channel = 0; // 0: not attached on this socket
        driver = true;
        ended: Exit | undefined;

        private received = 0; // the next byte of output that is wanted
        private taken = 0; // drawn
        private acked = 0;
        private head = 0;
        private drawing = 0;
        private ackTimer: number | undefined;
        private pendingExit: { exit: Exit; offset: number } | undefined;

        private input: Uint8Array[] = []; // from inputBase on
        private inputBase = 0; // the server has all below
        private inputSent = 0; // sent on this channel
        private inputEnd = 0;
        private inputTimer: number | undefined;

        constructor(
                private readonly socket: Socket,
                readonly session: string,
                private readonly client: string,
                private readonly sink: Sink,
        ) {}

        // The channel that session.open made.
        opened(channel: number, driver: boolean): void {
                this.channel = channel;
                this.driver = driver;
        }

        // A new socket: channels of the old one mean nothing.
        detached(): void {
                this.channel = 0;
                window.clearTimeout(this.ackTimer);
                window.clearTimeout(this.inputTimer);
                this.ackTimer = this.inputTimer = undefined;
        }

        // Rejects with not_found where the session is forgotten. `bind` is called before the first
        // frame.
        async attach(
                bind: (channel: number) => void,
                role: 'driver' | 'viewer' = this.driver ? 'driver' : 'viewer',
        ): Promise<void> {
                const a = await this.socket.request<Attached>('session.attach', {
                        session: this.session,
                        since: this.received,
                        role,
                        client: this.client,
                        ...this.sink.size(),
                });
                this.channel = a.channel;
                bind(a.channel);
                this.head = a.head;
                this.acked = a.offset;
                this.setDriver(a.driver);
                this.sink.viewers(a.viewers ?? 1, a.watchers ?? []);
                if (a.replay === 'snapshot') this.received = a.offset;
                this.sink.replaying(this.received < a.head);
                this.inputFrom(a.input_offset);
                this.pushInput();
        }

        frame(kind: number, offset: number, payload: Uint8Array): void {
                if (kind === Kind.snapshot) {
                        this.received = offset;
                        return this.draw(kind, payload, offset);
                }
                const skip = this.received - offset;
                if (skip > 0) payload = payload.subarray(Math.min(skip, payload.length));
                else if (skip < 0) this.gap(this.received, offset);
                if (!payload.length) return;
                // What lies below head is the past, and must not be answered: it is drawn apart.
                const past = Math.max(0, Math.min(this.head - this.received, payload.length));
                for (const part of [payload.subarray(0, past), payload.subarray(past)])
                        if (part.length) {
                                this.received += part.length;
                                this.draw(kind, part, this.received);
                        }
        }

        gap(from: number, to: number): void {
                if (to <= this.received) return;
                this.sink.gap(to - Math.max(from, this.received));
                this.received = to;
        }

        exited(exit: Exit, offset: number): void {
                this.pendingExit = { exit, offset };
                this.finish();
        }

        resized(cols: number, rows: number): void {
                if (!this.driver) this.sink.resized(cols, rows);
        }

        expiring(in_ms: number): void {
                this.sink.expiring(in_ms);
        }

        viewers(viewers: number, watchers: Watcher[]): void {
                this.sink.viewers(viewers, watchers);
        }

        setDriver(driver: boolean): void {
                this.driver = driver;
                this.sink.driver(driver);
                if (!driver) this.dropInput();
        }

        // What was typed. False: there is too much waiting already, none of it was taken.
        type(bytes: Uint8Array): boolean {
                if (this.ended || !this.driver) return true;
                if (this.inputEnd - this.inputBase + bytes.length > INPUT_MAX) return false;
                this.input.push(bytes);
                this.inputEnd += bytes.length;
                this.pushInput();
                return true;
        }

        inputAcked(offset: number): void {
                this.release(offset);
                this.pushInput();
        }

        inputRefused(offset: number, code: string): void {
                if (this.ended || this.pendingExit || code === 'ended' || code === 'not_found')
                        return this.dropInput();
                if (code === 'not_driver' || code === 'forbidden') {
                        this.inputFrom(offset);
                        this.dropInput();
                        this.sink.inputLost(
                                'This window does not have the keyboard of the program.',
                        );
                        return;
                }
                this.inputFrom(offset);
                this.inputTimer ??= window.setTimeout(() => {
                        this.inputTimer = undefined;
                        this.pushInput();
                }, 250);
        }

        resize(cols: number, rows: number): void {
                if (this.channel && !this.ended && this.driver)
                        this.socket
                                .request('session.resize', { channel: this.channel, cols, rows })
                                .catch(() => {});
        }

        private draw(kind: number, bytes: Uint8Array, end: number): void {
                this.drawing++;
                const channel = this.channel;
                this.sink.output(kind, bytes, () => {
                        this.drawing--;
                        this.taken = Math.max(this.taken, end);
                        if (end >= this.head) this.sink.replaying(false);
                        if (channel === this.channel) this.acknowledge();
                        this.finish();
                });
        }

        private acknowledge(): void {
                if (this.taken - this.acked >= ACK_BYTES) return this.sendAck();
                if (this.taken > this.acked)
                        this.ackTimer ??= window.setTimeout(() => this.sendAck(), ACK_IDLE_MS);
        }

        private sendAck(): void {
                window.clearTimeout(this.ackTimer);
                this.ackTimer = undefined;
                if (!this.channel || this.taken <= this.acked) return;
                this.acked = this.taken;
                this.socket.notify('session.ack', { channel: this.channel, offset: this.taken });
        }

        private finish(): void {
                if (!this.pendingExit || this.drawing || this.ended) return;
                this.sendAck();
                this.ended = this.pendingExit.exit;
                this.dropInput();
                this.sink.replaying(false);
                this.sink.exit(this.ended);
        }

        // The server counts our input to be this far: go on from there.
        private inputFrom(offset: number): void {
                this.release(offset);
                if (offset !== this.inputBase) {
                        // a new page under an old key, or some was thrown away
                        this.inputEnd += offset - this.inputBase;
                        this.inputBase = offset;
                }
                this.inputSent = offset;
        }

        private release(offset: number): void {
                while (this.inputBase < offset && this.input.length) {
                        const first = this.input[0]!;
                        const n = Math.min(first.length, offset - this.inputBase);
                        this.inputBase += n;
                        if (n === first.length) this.input.shift();
                        else this.input[0] = first.subarray(n);
                }
                this.inputSent = Math.max(this.inputSent, this.inputBase);
        }

        private dropInput(): void {
                this.input = [];
                this.inputEnd = this.inputBase = this.inputSent;
        }

        private pushInput(): void {
                if (!this.channel || !this.driver || this.ended || this.inputTimer !== undefined)
                        return;
                let at = this.inputBase;
                for (const chunk of this.input) {
                        for (
                                let i = Math.max(0, this.inputSent - at);
                                i < chunk.length;
                                i += INPUT_FRAME
                        ) {
                                if (this.inputSent - this.inputBase >= INPUT_WINDOW) return;
                                const part = chunk.subarray(i, i + INPUT_FRAME);
                                if (!this.socket.sendInput(this.channel, this.inputSent, part))
                                        return;
                                this.inputSent += part.length;
                        }
                        at += chunk.length;
                }
        }
}
