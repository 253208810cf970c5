// Someone whose sign-in ends is told why, signs in again, and finds all as it was.
// as released
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ide, newFile, openBrowser } from './browser.mjs';
import { startServer } from './lib.mjs';

test('a newer sign-in ends the older one, in words', async (t) => {
  const server = await startServer(t, { config: { auth: { single_session: 'yes' } } });
  const ann = await server.user('ann');
  const browser = await openBrowser();
  t.after(() => browser.close());
  const page = await ide(browser, server, { user: ann });
  await newFile(page, 'draft.txt', 'half a thought');
  await server.login(ann.name, ann.password);
  await page.locator('.signin-problem', { hasText: 'signed in elsewhere' }).waitFor();
  await page.fill('#signin-password', ann.password);
  await page.click('dialog button:text-is("Sign in")');
  await page.locator('.signin-problem').waitFor({ state: 'detached' });
  await page.locator('.editor .tab.active .dot.unsaved').waitFor(); // the draft is there, and still to be saved
  await page.getByText('half a thought').waitFor();
  await page.click('.account');
  assert.deepEqual(await page.locator('.menu button').allTextContents(), ['Sign out ann']); // what is for others is not shown
  page.watch.expect(/401/); // how the page learns that it is out
  page.watch.clean();
});
