// client_key.ts - the name under which the server counts this tab's input.
//
// It is kept for the tab, so that a reload goes on with the same count. A tab that was duplicated
// has a copy of it, though, and two under one key would take each other's seat: so whoever starts
// asks around.

const KEY = 'latch.client';
const ANSWER_MS = 60;

// Not crypto.randomUUID: that is there on https and localhost alone.
function fresh(): string {
        return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) =>
                b.toString(16).padStart(2, '0'),
        ).join('');
}

export async function clientKey(): Promise<string> {
        const channel = new BroadcastChannel('latch.client');
        const asker = fresh();
        let key = sessionStorage.getItem(KEY);
        if (key && (await taken(channel, key, asker))) {
                key = null;
                sessionStorage.removeItem('latch.runs'); // those are the other tab's
        }
        const mine = key ?? fresh();
        sessionStorage.setItem(KEY, mine);
        channel.onmessage = ({ data }) =>
                data.ask === mine && channel.postMessage({ taken: mine, asker: data.asker });
        return mine;
}

function taken(channel: BroadcastChannel, key: string, asker: string): Promise<boolean> {
        return new Promise((resolve) => {
                channel.onmessage = ({ data }) =>
                        data.taken === key && data.asker === asker && resolve(true);
                channel.postMessage({ ask: key, asker });
                setTimeout(() => resolve(false), ANSWER_MS);
        });
}
