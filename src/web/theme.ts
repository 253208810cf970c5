// theme.ts - light or dark: as the system is, until the user says otherwise. And the face of code.

// Each system's own, so that none has to be fetched.
export const MONO = [
        'ui-monospace',
        '"SF Mono"',
        '"Cascadia Code"',
        '"JetBrains Mono"',
        'Menlo',
        'Consolas',
        '"DejaVu Sans Mono"',
        '"Liberation Mono"',
        'monospace',
].join(', ');

const KEY = 'latch.theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<(dark: boolean) => void>();

export function isDark(): boolean {
        const chosen = localStorage.getItem(KEY);
        return chosen ? chosen === 'dark' : system.matches;
}

function apply(): void {
        const chosen = localStorage.getItem(KEY);
        if (chosen) document.documentElement.dataset['theme'] = chosen;
        else delete document.documentElement.dataset['theme'];
        for (const listener of listeners) listener(isDark());
}

export function toggleTheme(): void {
        const dark = !isDark();
        if (dark === system.matches)
                localStorage.removeItem(KEY); // back to following the system
        else localStorage.setItem(KEY, dark ? 'dark' : 'light');
        apply();
}

// Returns how to stop listening.
export function onThemeChange(listener: (dark: boolean) => void): () => void {
        listeners.add(listener);
        return () => listeners.delete(listener);
}

export function startTheme(): void {
        document.documentElement.style.setProperty('--mono', MONO);
        system.addEventListener('change', apply);
        apply();
}
