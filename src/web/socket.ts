// socket.ts - the one socket: JSON-RPC both ways, binary frames, and being connected again and
// again.
//
// It knows nothing of sessions. Who needs to go on after a break listens to `hello`, which comes
// first on each new connection, and asks its questions again.

import { HttpError, me, type User } from './api';

export interface Hello {
        protocol: number;
        server: string;
        user: User;
        limits: {
                message_bytes: number;
                window_bytes: number;
                input_bytes: number;
                viewers_per_session: number;
        };
}

// `connecting`: since the first break that has not been mended; `out`: the server knows us no
// longer.
export type SocketState = 'connecting' | 'open' | 'out' | 'closed';

export class RpcError extends Error {
        constructor(
                readonly code: string,
                message: string,
                readonly data: any = undefined,
        ) {
                super(message);
        }
        get retryAfter_ms(): number {
                return Number(this.data?.retry_after_ms) || 0;
        }
}

// What was asked for is not there any more.
export function isGone(e: unknown): boolean {
        return e instanceof RpcError && e.code === 'not_found';
}

export interface RequestOptions {
        again?: boolean; // carry it over to the next connection: only what may happen twice
        timeout_ms?: number; // no answer by then: the connection is given up, and so is this
}

interface Waiting {
        id: number;
        text: string;
        again: boolean;
        sent: boolean;
        timer: number | undefined;
        resolve(result: any): void;
        reject(e: Error): void;
}

const FIRST_WAIT_MS = 250,
        LAST_WAIT_MS = 6000;
const SILENCE_MS = 30_000; // then the server is asked whether it is still there
const PROBE_MS = 8_000;
const HEADER = 16;

export const enum Kind {
        output = 1,
        input = 2,
        stderr = 3,
        display = 4,
        snapshot = 5,
}

export class Socket {
        state: SocketState = 'closed';
        limits: Hello['limits'] | undefined;
        onstate: (state: SocketState) => void = () => {};
        onhello: (hello: Hello) => void = () => {};
        onframe: (kind: number, channel: number, offset: number, payload: Uint8Array) => void =
                () => {};
        onnotice: (method: string, params: any) => void = () => {};

        private ws: WebSocket | undefined;
        private greeted = false;
        private lastId = 0;
        private readonly waiting = new Map<number, Waiting>();
        private failures = 0;
        private timer: number | undefined;
        private heard_ms = 0;

        constructor(private readonly url: string) {
                window.setInterval(() => this.watch(), 10_000);
                window.addEventListener('online', () => this.hurry());
                document.addEventListener(
                        'visibilitychange',
                        () => document.hidden || this.hurry(),
                );
        }

        // Stays connected from now on, until close().
        open(): void {
                if (this.state === 'open' || this.state === 'connecting') return;
                this.failures = 0;
                this.become('connecting');
                this.connect();
        }

        close(): void {
                this.become('closed');
                window.clearTimeout(this.timer);
                this.drop(1000);
                this.failAll(() => true);
        }

        request<T = any>(method: string, params: object, options: RequestOptions = {}): Promise<T> {
                const id = ++this.lastId;
                return new Promise<T>((resolve, reject) => {
                        const w: Waiting = {
                                id,
                                resolve,
                                reject,
                                again: options.again ?? false,
                                sent: false,
                                text: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
                                timer: undefined,
                        };
                        if (!this.isOpen() && !w.again)
                                return reject(new RpcError('disconnected', 'not connected'));
                        if (options.timeout_ms)
                                w.timer = window.setTimeout(() => this.late(w), options.timeout_ms);
                        this.waiting.set(id, w);
                        this.send(w);
                });
        }

        notify(method: string, params: object): void {
                if (this.isOpen()) this.ws!.send(JSON.stringify({ jsonrpc: '2.0', method, params }));
        }

        // False: there is no connection; the caller sends again after the next attach.
        sendInput(channel: number, offset: number, payload: Uint8Array): boolean {
                if (!this.isOpen()) return false;
                const frame = new Uint8Array(HEADER + payload.length);
                const view = new DataView(frame.buffer);
                view.setUint8(0, Kind.input);
                view.setUint32(4, channel, true);
                view.setBigUint64(8, BigInt(offset), true);
                frame.set(payload, HEADER);
                this.ws!.send(frame);
                return true;
        }

        // A socket that the server has closed hears so later: what is sent in between would be lost.
        private isOpen(): boolean {
                return this.greeted && this.ws!.readyState === WebSocket.OPEN;
        }

        private become(state: SocketState): void {
                if (this.state === state) return;
                this.state = state;
                this.onstate(state);
        }

        private connect(): void {
                window.clearTimeout(this.timer);
                const ws = new WebSocket(this.url, 'latch.v1');
                ws.binaryType = 'arraybuffer';
                this.ws = ws;
                this.greeted = false;
                ws.onmessage = (e) => ws === this.ws && this.receive(e.data);
                ws.onclose = (e) => ws === this.ws && this.broken(e.code);
                this.timer = window.setTimeout(
                        () => ws === this.ws && !this.greeted && this.drop(4000),
                        15_000,
                );
        }

        // Lets go of the socket at once: one that hangs would take minutes to say that it is
        // closed.
        private drop(code: number): void {
                const ws = this.ws;
                if (!ws) return;
                ws.onmessage = ws.onclose = null;
                ws.close(code === 1000 ? 1000 : undefined);
                this.broken(code);
        }

        private broken(code: number): void {
                const greeted = this.greeted;
                this.ws = undefined;
                this.greeted = false;
                this.failAll((w) => !w.again);
                for (const w of this.waiting.values()) w.sent = false;
                if (this.state === 'closed' || this.state === 'out') return;
                this.become('connecting');
                if (greeted && code !== 1008) this.failures = 0;
                // Refused before the hello, or put out: only HTTP can say why.
                if (!greeted || code === 1008) void this.askWhy();
                else this.later();
        }

        private async askWhy(): Promise<void> {
                let wait_ms = 0;
                try {
                        await me();
                } catch (e) {
                        if (e instanceof HttpError && e.status === 401) {
                                if (this.state === 'connecting') this.become('out');
                                return;
                        }
                        if (e instanceof HttpError) wait_ms = e.retryAfter_s * 1000;
                }
                if (this.state === 'connecting' && !this.ws) this.later(wait_ms);
        }

        // Half of the wait is chance, so that a class does not come back in one instant.
        private later(atLeast_ms = 0): void {
                const wait = Math.min(FIRST_WAIT_MS * 1.8 ** this.failures++, LAST_WAIT_MS);
                window.clearTimeout(this.timer);
                this.timer = window.setTimeout(
                        () => this.connect(),
                        atLeast_ms + wait * (0.5 + Math.random()),
                );
        }

        private receive(data: string | ArrayBuffer): void {
                this.heard_ms = Date.now();
                if (typeof data !== 'string') return this.receiveFrame(data);
                const m = JSON.parse(data);
                if (m.method === 'hello') return this.hello(m.params);
                if (m.method) return this.onnotice(m.method, m.params);
                const w = this.waiting.get(m.id);
                if (!w) return;
                this.forget(w);
                if (m.error)
                        w.reject(
                                new RpcError(
                                        m.error.data?.code ?? String(m.error.code),
                                        m.error.message,
                                        m.error.data,
                                ),
                        );
                else w.resolve(m.result);
        }

        private receiveFrame(data: ArrayBuffer): void {
                if (data.byteLength < HEADER) return;
                const view = new DataView(data);
                this.onframe(
                        view.getUint8(0),
                        view.getUint32(4, true),
                        Number(view.getBigUint64(8, true)),
                        new Uint8Array(data, HEADER),
                );
        }

        private hello(hello: Hello): void {
                window.clearTimeout(this.timer);
                this.greeted = true;
                this.failures = 0;
                this.limits = hello.limits;
                this.become('open');
                this.onhello(hello);
                for (const w of this.waiting.values()) this.send(w);
        }

        private send(w: Waiting): void {
                if (w.sent || !this.isOpen()) return;
                w.sent = true;
                this.ws!.send(w.text);
        }

        private forget(w: Waiting): void {
                window.clearTimeout(w.timer);
                this.waiting.delete(w.id);
        }

        private late(w: Waiting): void {
                this.forget(w);
                w.reject(new RpcError('timeout', 'no answer'));
                if (w.sent) this.drop(4000);
        }

        private failAll(which: (w: Waiting) => boolean): void {
                for (const w of [...this.waiting.values()])
                        if (which(w)) {
                                this.forget(w);
                                w.reject(new RpcError('disconnected', 'the connection broke'));
                        }
        }

        // The browser hides pings, and a network may go without a word: so ask when it has been
        // quiet.
        private watch(): void {
                if (this.greeted && Date.now() - this.heard_ms > SILENCE_MS) this.probe(PROBE_MS);
        }

        private probe(timeout_ms: number): void {
                this.request('session.list', {}, { timeout_ms }).catch(() => {});
        }

        // The lid was opened, or the network came back.
        private hurry(): void {
                if (this.state === 'connecting' && !this.ws) {
                        this.failures = 0;
                        this.connect();
                } else if (this.greeted && Date.now() - this.heard_ms > 5000) {
                        this.probe(4000);
                }
        }
}
