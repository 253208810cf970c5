// words.ts - what the wire says, for people.

import { HttpError } from './api';
import { RpcError } from './socket';
import type { Exit } from './stream';

export function wordsOfError(e: unknown): string {
        if (e instanceof RpcError) return wordsOfCode(e);
        if (e instanceof HttpError) return e.message;
        return e instanceof Error ? e.message : String(e);
}

function wordsOfCode(e: RpcError): string {
        switch (e.code) {
                case 'disconnected':
                        return 'There is no connection to the server just now. It is being made again.';
                case 'not_found':
                        return 'That is not there (any more).';
                case 'exists':
                        return 'There is something of that name already.';
                case 'read_only':
                        return 'That is read-only for you.';
                case 'forbidden':
                        return 'You may not do that.';
                case 'too_large':
                        return 'That is too large.';
                case 'limit_reached':
                        return e.message || 'A limit is reached.';
                case 'rate_limited':
                case 'busy': {
                        const wait = e.retryAfter_ms
                                ? ` Try again in ${Math.ceil(e.retryAfter_ms / 1000)} s.`
                                : '';
                        return (
                                (e.code === 'busy'
                                        ? 'The server is busy.'
                                        : 'That was too often.') + wait
                        );
                }
                case 'timeout':
                        return 'The server took too long to answer.';
                case 'unavailable':
                        return `That is not available just now${e.message ? `: ${e.message}` : ''}.`;
                case 'internal':
                        return 'Something went wrong on the server; its log says what.';
                default:
                        return e.message;
        }
}

// Why a sign-in has ended, above the form that asks for the next one.
export function wordsOfSignOut(why: string): string {
        switch (why) {
                case 'elsewhere':
                        return 'You have signed in elsewhere, and only one place at a time is allowed here. Your files and programs are as they were.';
                case 'password':
                        return 'Your password was changed.';
                case 'role':
                        return 'What you may do here has changed: sign in again.';
                case 'disabled':
                case 'deleted':
                        return 'Your account was closed by an administrator.';
                case 'expired':
                        return 'Your sign-in has run out.';
                default:
                        return 'You were signed out.';
        }
}

export interface Ending {
        tone: 'ok' | 'plain' | 'bad';
        text: string;
}

export function wordsOfExit(exit: Exit): Ending {
        const after =
                exit.usage?.wall_ms === undefined ? '' : ` after ${duration(exit.usage.wall_ms)}`;
        switch (exit.verdict) {
                case 'exited':
                        return exit.code === 0
                                ? { tone: 'ok', text: `Finished${after}` }
                                : {
                                          tone: 'bad',
                                          text: `Ended with code ${exit.code ?? '?'}${after}`,
                                  };
                case 'stopped':
                        return { tone: 'plain', text: `Stopped${after}` };
                case 'killed':
                        return {
                                tone: 'bad',
                                text: `Killed${exit.signal ? ` by ${signalName(exit.signal)}` : ''}${after}`,
                        };
                case 'timeout':
                        return { tone: 'bad', text: `Its time was up${after}` };
                case 'idle':
                        return { tone: 'plain', text: `Ended, unused${after}` };
                case 'cpu':
                        return { tone: 'bad', text: `Its processor time was up${after}` };
                case 'memory':
                        return { tone: 'bad', text: `Out of memory${after}` };
                case 'processes':
                        return { tone: 'bad', text: `Too many processes${after}` };
                case 'output':
                        return { tone: 'bad', text: `Too much output${after}` };
                case 'disk':
                        return { tone: 'bad', text: `Out of disk space${after}` };
                case 'lost':
                        return {
                                tone: 'bad',
                                text: 'Lost: the program ended while nobody could see how',
                        };
                default:
                        return { tone: 'plain', text: `Ended (${exit.verdict})${after}` };
        }
}

function signalName(signal: string | number): string {
        return typeof signal === 'number'
                ? `signal ${signal}`
                : signal.startsWith('SIG')
                  ? signal
                  : `SIG${signal}`;
}

export function duration(ms: number): string {
        if (ms < 1000) return `${Math.round(ms)} ms`;
        if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
        const s = Math.floor(ms / 1000);
        const rest = String(s % 60).padStart(2, '0');
        return s < 3600
                ? `${Math.floor(s / 60)}:${rest} min`
                : `${Math.floor(s / 3600)}:${String(Math.floor(s / 60) % 60).padStart(2, '0')}:${rest} h`;
}

// Three digits and the unit that makes it so; "–" for nothing.
export function brief(ns: number): string {
        if (!ns) return '–';
        const units = ['ns', 'µs', 'ms', 's'];
        let i = 0;
        for (; ns >= 999.5 && i < units.length - 1; i++) ns /= 1000;
        return `${ns.toFixed(i === 0 || ns >= 99.95 ? 0 : ns >= 9.995 ? 1 : 2)} ${units[i]}`;
}

export function bytes(n: number): string {
        if (n < 1024) return `${n} bytes`;
        const units = ['KiB', 'MiB', 'GiB', 'TiB'];
        let i = -1;
        do {
                n /= 1024;
                i++;
        } while (n >= 1024 && i < units.length - 1);
        return `${n.toFixed(n < 10 ? 1 : 0)} ${units[i]}`;
}

export function baseName(path: string): string {
        return path.slice(path.lastIndexOf('/') + 1);
}

export function folderOf(path: string): string {
        const cut = path.lastIndexOf('/');
        return cut < 0 ? '' : path.slice(0, cut);
}

export function join(folder: string, name: string): string {
        return folder ? `${folder}/${name}` : name;
}

// Whether path is folder, or lies in it.
export function within(path: string, folder: string): boolean {
        return path === folder || path.startsWith(`${folder}/`);
}
