// api.ts - the HTTP side: who is signed in. Everything else goes over the socket.

export interface User {
        name: string;
        role: 'student' | 'teacher' | 'admin';
}

export interface Me extends User {
        quota?: { bytes: number; used: number };
}

// An answer that is not 2xx, or none at all (status 0). Its message is for the user.
export class HttpError extends Error {
        constructor(
                readonly status: number,
                readonly code: string,
                message: string,
                readonly retryAfter_s = 0,
        ) {
                super(message);
        }
}

async function call(method: string, path: string, body?: unknown): Promise<any> {
        let answer: Response;
        try {
                answer = await fetch(path, {
                        method,
                        cache: 'no-store',
                        credentials: 'same-origin',
                        ...(body === undefined
                                ? {}
                                : {
                                          body: JSON.stringify(body),
                                          headers: { 'content-type': 'application/json' },
                                  }),
                });
        } catch {
                throw new HttpError(0, 'unreachable', 'The server cannot be reached.');
        }
        const text = await answer.text().catch(() => '');
        let json: any;
        try {
                json = JSON.parse(text);
        } catch {
                /* 204, or not from Latch: the status says enough */
        }
        if (answer.ok) return json;
        throw new HttpError(
                answer.status,
                json?.error?.code ?? '',
                json?.error?.message ?? `The server answered ${answer.status}.`,
                Number(answer.headers.get('retry-after')) || 0,
        );
}

export async function loginByPassword(username: string, password: string): Promise<User> {
        return (await call('POST', '/api/login', { username, password })).user;
}

export async function loginByLink(link: string): Promise<User> {
        return (await call('POST', '/api/login', { link })).user;
}

export function me(): Promise<Me> {
        return call('GET', '/api/me');
}

export async function logout(): Promise<void> {
        await call('POST', '/api/logout');
}
