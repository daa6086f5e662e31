// What a person does in JupyterLab, step by step. lab.sh sets up what this needs and says what it checks besides.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { printed, read, renderers, write } from './notebooks.mjs';
import { Browser } from './page.mjs';
import { Server } from './server.mjs';
import { expect, until } from './until.mjs';

const { MINERVA, NOTEBOOKS, PICTURES, WORK } = process.env;
const root = path.join(WORK, 'root');
mkdirSync(root);
copyFileSync(path.join(NOTEBOOKS, 'quickstart.ipynb'), path.join(root, 'quickstart.ipynb'));
const server = new Server(WORK, root);
let browser;

/** A tab with a notebook of these cells, idle. */
async function fresh(name, cells, where = '/lab/tree') {
  write(root, name, cells);
  return opened(name, where);
}

async function opened(name, where = '/lab/tree') {
  const lab = await browser.open(`${where}/${name}`);
  await lab.idle();
  return lab;
}

async function saved(lab, name, wanted) {
  await lab.page.keyboard.press('Control+s');
  await until(`${name} on the disk`, () => wanted(read(root, name)));
}

const numbers = n => Array.from({ length: n }, (_, i) => `line ${i}\n`).join('');

const steps = {
  async token() {
    const lab = await browser.open(`/lab?token=${server.token}`);
    await lab.page.waitForSelector('.jp-DirListing-content');
    expect(!lab.page.url().includes(server.token), `the token is still in the address: ${lab.page.url()}`);
    await lab.picture('launcher-light');
    const stranger = await (await browser.browser.newContext()).newPage();
    await stranger.goto(`${server.origin}/lab`);
    expect(new URL(stranger.url()).pathname === '/login', `without a token one comes to ${stranger.url()}`);
    await stranger.context().close();
  },

  async quickstart() {
    const lab = await opened('quickstart.ipynb');
    expect(await lab.coloured(lab.cell(1).locator('.cm-content'), 'let'), 'cells have no colours');
    await lab.menu('Run', { id: 'runmenu:run-all' });
    const { cells } = read(root, 'quickstart.ipynb');
    for (const n of cells.keys()) {
      if (cells[n].cell_type !== 'code') continue;
      await lab.done(n);
      await until(`an output of cell ${n}`, async () => (await lab.output(n)).trim());
    }
    const failed = lab.page.locator('[data-mime-type="application/vnd.jupyter.error"]');
    expect(await failed.count() === 0, 'a cell has failed');
    for (const n of [1, 5, 9]) {
      await lab.select(n);
      await lab.picture(`quickstart-light-${n}`);
    }
  },

  async streaming() {
    const lab = await fresh('stream.ipynb', ['for i in 0..40 { print("line " + i); sleep(0.05); }', '']);
    const lengths = new Set();
    await lab.begin(0);
    await lab.running(0);
    await until('the end of the stream', async () => {
      lengths.add((await lab.output(0)).length);
      return /^\[\d+\]/.test(await lab.prompt(0));
    });
    expect(lengths.size > 5, `the text came in ${lengths.size} pieces: it did not stream`);
    await lab.shows(0, numbers(40));
  },

  async interrupt() {
    const lab = await fresh('interrupt.ipynb', ['loop {}', '1 + 1']);
    await lab.begin(0);
    await lab.running(0);
    await lab.page.keyboard.press('i');
    await lab.page.keyboard.press('i');
    await lab.says(0, 'Interrupted');
    await lab.run(1);
    await lab.shows(1, '2');
  },

  async restart() {
    const lab = await fresh('restart.ipynb', ['let kept = 5; kept', 'kept']);
    await lab.run(0);
    await lab.shows(0, '5');
    const restarted = lab.page.waitForResponse(answer => answer.url().includes('/restart'));
    await lab.page.keyboard.press('0');
    await lab.page.keyboard.press('0');
    await lab.accept();
    await restarted;
    await lab.idle();
    await lab.run(1);
    await lab.says(1, 'VariableNotFound');
  },

  async saving() {
    const lab = await fresh('saving.ipynb', ['for i in 0..40 { print("line " + i) }', '']);
    await lab.run(0);
    await lab.type(1, 'let typed = "by hand";');
    await saved(lab, 'saving.ipynb', file => printed(file.cells[0]) === numbers(40) && file.cells[1].source.length > 0);
    await lab.reload();
    await lab.idle();
    await lab.shows(0, numbers(40));
    await lab.menu('File', { id: 'docmanager:rename' });
    await lab.page.locator('.jp-Dialog input').last().fill('renamed.ipynb');
    await lab.accept();
    const there = name => existsSync(path.join(root, name));
    await until('the new name', () => there('renamed.ipynb') && !there('saving.ipynb'));
    await lab.page.locator('.lm-TabBar-tabLabel', { hasText: /^renamed\.ipynb$/ }).first().waitFor();
    await lab.run(0);
    await saved(lab, 'renamed.ipynb', file => file.cells[0].execution_count > 1);
    expect(!there('saving.ipynb'), 'it was saved under its old name');
  },

  async completion() {
    const lab = await fresh('completion.ipynb', ['let m = load("sample");', '']);
    await lab.run(0);
    await lab.type(1, 'm.');
    await lab.page.keyboard.press('Tab');
    const item = lab.page.locator('.jp-Completer:not(.lm-mod-hidden) .jp-Completer-item', { hasText: 'generate' });
    await item.first().waitFor();
    await lab.picture('completion-light');
    await lab.page.keyboard.press('Escape');
    await lab.type(1, 'm.generate');
    await lab.page.keyboard.press('Shift+Tab');
    const tip = lab.page.locator('.jp-Tooltip');
    await tip.waitFor();
    await until('help in the tooltip', async () => (await tip.textContent()).includes('generate'));
    await lab.picture('inspection-light');
    await lab.page.keyboard.press('Escape');
  },

  async renderers() {
    const lab = await opened(renderers(root, 'renderers.ipynb'));
    const shown = (n, selector) => lab.cell(n).locator(selector).first().waitFor();
    await shown(0, 'mjx-container');
    await shown(0, '.jp-RenderedMermaid img, .jp-RenderedMermaid svg');
    await shown(1, '[data-mime-type="text/html"] td');
    await shown(2, '.vega-embed canvas, .vega-embed svg');
    await lab.drawn(lab.cell(3).locator('.jp-RenderedImage img'));
    await lab.says(4, 'layers');
    await shown(4, '.jp-RenderedJSON');
    const tokens = '[data-mime-type="application/vnd.minerva.tokens+json"]';
    await shown(5, tokens);
    const text = await lab.output(5);
    expect(text.includes('To') && text.includes('be') && !text.includes('"logprob"'), `tokens are drawn as ${text}`);
    await shown(6, 'mjx-container');
    // The file says that it is trusted. Only this user can say so.
    await lab.says(7, 'harmless');
    expect(await lab.page.evaluate(() => window.ranFromTheFile === undefined), 'a script of an untrusted file has run');
    await lab.picture('renderers-light');
    await lab.run(8);
    await shown(8, '.vega-embed canvas, .vega-embed svg');
    await lab.run(9);
    await shown(9, tokens);
    await lab.picture('renderers-light-kernel');
    await lab.theme('JupyterLab Dark');
    await lab.picture('renderers-dark-kernel');
    await lab.top();
    await lab.picture('renderers-dark');
    await lab.theme('JupyterLab Light');
  },

  async file() {
    const file = path.join(root, 'twice.rhai');
    writeFileSync(file, '// Twice as much.\nfn twice(x) { x * 2 }\n\nlet n = twice(21);\nprint(`${n}`);\n');
    const lab = await browser.open('/lab/tree/twice.rhai');
    const editor = lab.page.locator('.jp-FileEditor .cm-content');
    await editor.waitFor();
    for (const word of ['fn', 'let']) await lab.coloured(editor, word);
    await lab.picture('file-light');
    await editor.click();
    await lab.page.keyboard.press('Control+End');
    await lab.page.keyboard.insertText('print("typed");\n');
    await lab.page.keyboard.press('Control+s');
    await until('the file on the disk', () => readFileSync(file, 'utf8').endsWith('print("typed");\n'));
    await lab.theme('JupyterLab Dark');
    await lab.coloured(editor, 'fn');
    await lab.picture('file-dark');
    await lab.theme('JupyterLab Light');
  },

  async document() {
    const lab = await fresh('document.ipynb', ['6 * 7'], '/doc/tree');
    await lab.run(0);
    await lab.shows(0, '42');
    await lab.picture('document-light');
  },

  async dark() {
    const lab = await opened('quickstart.ipynb');
    await lab.theme('JupyterLab Dark');
    await lab.select(1);
    await lab.picture('quickstart-dark');
    // A setting: it is there the next time.
    await lab.reload();
    await lab.idle();
    await lab.page.waitForSelector('body[data-jp-theme-light="false"]', { state: 'attached' });
    await lab.theme('JupyterLab Light');
  },

  async 'killed-kernel'() {
    const others = new Set(server.kernels());
    const lab = await fresh('killed-kernel.ipynb', ['let gone = 1; loop {}', '1 + 1', 'gone']);
    const [pid, ...more] = server.kernels().filter(kernel => !others.has(kernel));
    expect(pid && more.length === 0, `one kernel was expected for the notebook: ${pid} ${more}`);
    await lab.begin(0);
    await lab.running(0);
    process.kill(pid, 'SIGKILL');
    const dialog = lab.page.locator('.jp-Dialog');
    await dialog.waitFor();
    expect(/died|restart/i.test(await dialog.textContent()), `it says: ${await dialog.textContent()}`);
    await lab.picture('killed-kernel-light');
    await lab.accept();
    await lab.idle();
    await lab.run(1);
    await lab.shows(1, '2');
    await lab.run(2);
    await lab.says(2, 'VariableNotFound');
  },

  async 'killed-unseen'() {
    const others = new Set(server.kernels());
    const first = await fresh('killed-unseen.ipynb', ['print("before"); loop {}', '1 + 1']);
    await first.begin(0);
    await first.says(0, 'before');
    await first.page.close();
    process.kill(server.kernels().find(kernel => !others.has(kernel)), 'SIGKILL');
    await until('another kernel', async () => (await server.states()).every(state => state === 'idle'));
    const second = await opened('killed-unseen.ipynb');
    await second.says(0, 'The kernel ended while this cell ran');
    await until('the cell to wait no more', async () => (await second.prompt(0)).startsWith('[ ]'));
    await second.picture('killed-unseen-light');
    await second.run(1);
    await second.shows(1, '2');
  },

  async 'lost-connection'() {
    write(root, 'lost-connection.ipynb', ['for i in 0..300 { print("line " + i); sleep(0.02); }', '1 + 1']);
    const lab = await browser.breakable();
    await lab.go('/lab/tree/lost-connection.ipynb');
    await lab.idle();
    await lab.begin(0);
    for (const line of [20, 60, 100]) {
      await lab.says(0, `line ${line}\n`);
      await lab.cut();
    }
    await lab.shows(0, numbers(300));
    await lab.done(0);
    await lab.cut();
    await lab.idle();
    await lab.run(1);
    await lab.shows(1, '2');
  },

  async 'closed-tab'() {
    const first = await fresh('closed-tab.ipynb', ['for i in 0..300 { print("line " + i); sleep(0.02); }']);
    await first.begin(0);
    await first.says(0, 'line 20\n');
    await first.page.close();
    // While it still runs, if this machine is quick.
    const second = await browser.open('/lab/tree/closed-tab.ipynb');
    await second.shows(0, numbers(300));
    await second.done(0);
    await second.picture('closed-tab-light');
  },

  async 'closed-for-long'() {
    const first = await fresh('closed-for-long.ipynb', ['for i in 0..100000 { print("line " + i); }', '1 + 1']);
    await first.begin(0);
    await first.running(0);
    await first.page.close();
    await until('the end of the cell', async () => (await server.states()).every(state => state === 'idle'));
    const second = await opened('closed-for-long.ipynb');
    await second.shows(0, numbers(100_000));
    await second.done(0);
    await second.run(1);
    await second.shows(1, '2');
  },

  async reloaded() {
    const lab = await fresh('reloaded.ipynb', ['print("before"); let a = input("name? "); a', 'print("later")']);
    await lab.menu('Run', { id: 'runmenu:run-all' });
    const box = lab.cell(0).locator('.jp-Stdin-input');
    await box.waitFor();
    await lab.reload();
    await box.waitFor();
    await lab.says(0, 'before');
    expect((await lab.prompt(1)).startsWith('[*]'), 'the cell that waits is not taken up');
    await box.fill('Ann');
    await box.press('Enter');
    await lab.says(0, '"Ann"');
    await lab.done(1);
    await lab.shows(1, 'later');
  },

  async 'killed-browser'() {
    const first = await fresh('killed-browser.ipynb', ['let kept = 7; print("line 0")', '', 'kept']);
    await first.run(0);
    await saved(first, 'killed-browser.ipynb', file => printed(file.cells[0]) === numbers(1));
    await first.type(1, 'let unsaved = true;');
    const before = readFileSync(path.join(root, 'killed-browser.ipynb'), 'utf8');
    await browser.kill();
    expect(readFileSync(path.join(root, 'killed-browser.ipynb'), 'utf8') === before, 'the file has changed');
    await start();
    const second = await opened('killed-browser.ipynb');
    await second.shows(0, numbers(1));
    await second.run(2);
    await second.shows(2, '7');
  },
};

/** A browser that the server knows. */
async function start() {
  const complaints = browser?.complaints ?? [];
  browser = await new Browser(server.origin).start();
  browser.complaints.push(...complaints);
  const lab = await browser.open(`/lab?token=${server.token}`);
  await lab.page.waitForSelector('.jp-DirListing-content');
  await lab.page.close();
}

async function step(name) {
  const seen = browser.complaints.length;
  const began = Date.now();
  try {
    await steps[name]();
    const news = browser.complaints.slice(seen);
    expect(news.length === 0, `the browser complains:\n${news.join('\n')}`);
    console.log(`ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    console.log(`FAIL  ${name}: ${error.stack ?? error}`);
    browser.complaints.slice(seen).forEach(complaint => console.log(`      ${complaint}`));
    for (const [n, page] of browser.context.pages().entries()) {
      await page.screenshot({ path: `${PICTURES}/failed-${name}-${n}.png` }).catch(() => {});
    }
    return false;
  } finally {
    await Promise.all(browser.context.pages().map(page => page.close().catch(() => {})));
  }
}

async function main(names) {
  const unknown = names.filter(name => !steps[name]);
  expect(unknown.length === 0, `no step is called ${unknown.join(', ')}; there are: ${Object.keys(steps).join(', ')}`);
  await server.ready();
  await start();
  let failed = 0;
  for (const name of names.length > 0 ? names : Object.keys(steps)) failed += !(await step(name));
  await browser.stop();
  const kernels = server.kernels();
  const started = await server.stop();
  expect(started.length > 0, 'the trace is empty');
  const strangers = started.filter(program => program !== MINERVA && program !== '/proc/self/exe');
  expect(strangers.length === 0, `other programs were started: ${strangers.join(', ')}`);
  const left = kernels.filter(pid => existsSync(`/proc/${pid}`));
  expect(left.length === 0, `kernels outlived the server: ${left.join(', ')}`);
  console.log(`ok    programs started: ${started.join(', ')}; kernels at the end: ${kernels.length}, after it: none`);
  console.log(`pictures in ${PICTURES}`);
  return failed;
}

main(process.argv.slice(2)).then(failed => process.exit(failed > 0 ? 1 : 0), error => {
  console.error(error.stack ?? error);
  if (server.text) console.error(`the server said:\n${server.text}`);
  return server.stop().catch(() => {}).then(() => process.exit(1));
});
