// JupyterLab as a person uses it: keys, menus, what stands on the screen. Selectors are those of JupyterLab 4.6.
import { createRequire } from 'node:module';
import { LIMIT, expect, until } from './until.mjs';

const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT);
const PANEL = '.jp-NotebookPanel:not(.lm-mod-hidden)';
const CELL = `${PANEL} .jp-Notebook .jp-Cell`;

/** A browser that writes down every complaint and every request to another place than the server. */
export class Browser {
  constructor(origin) {
    this.origin = origin;
    this.complaints = [];
  }

  async start() {
    // A process of its own, so that it can be killed.
    this.server = await chromium.launchServer({
      executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
    this.browser = await chromium.connect(this.server.wsEndpoint());
    this.context = await this.browser.newContext({ viewport: { width: 1280, height: 1100 } });
    this.context.setDefaultTimeout(LIMIT);
    this.context.on('console', message => {
      if (message.type() === 'error') this.complain(`console: ${message.text()} (${message.location().url})`);
    });
    this.context.on('weberror', error => this.complain(`page: ${error.error()?.stack ?? error.error()}`));
    this.context.on('request', request => this.check(request.url()));
    this.context.on('page', page => page.on('websocket', socket => this.check(socket.url())));
    return this;
  }

  complain(text) {
    this.complaints.push(text.slice(0, 1000));
  }

  check(address) {
    const url = new URL(address);
    const here = url.host === new URL(this.origin).host || ['data:', 'blob:', 'about:'].includes(url.protocol);
    if (!here) this.complain(`a request to another place: ${address}`);
  }

  async open(address) {
    const page = new Lab(await this.context.newPage(), this.origin);
    await page.go(address);
    return page;
  }

  /** A tab whose connections to kernels can be cut, as by a sleeping laptop. Nothing is opened in it yet. */
  async breakable() {
    const lab = new Lab(await this.context.newPage(), this.origin);
    const connections = [];
    await lab.page.routeWebSocket(/\/channels\?/, socket => {
      const server = socket.connectToServer();
      server.onMessage(message => {
        lab.heard = true;
        socket.send(message);
      });
      connections.push([socket, server]);
    });
    lab.cut = async () => {
      expect(connections.length > 0, 'there was no connection to cut');
      lab.heard = false;
      for (const [socket, server] of connections.splice(0)) {
        await server.close({ code: 4000, reason: 'cut' });
        // The page's end may have gone with it.
        await socket.close({ code: 4000, reason: 'cut' }).catch(() => {});
      }
    };
    return lab;
  }

  async stop() {
    await this.browser.close();
    await this.server.close();
  }

  /** As a crash or a power cut ends it: nothing is asked, nothing is saved. */
  async kill() {
    this.server.process().kill('SIGKILL');
    await until('the end of the browser', () => !this.browser.isConnected());
  }
}

/** One tab of the browser with JupyterLab in it. */
export class Lab {
  constructor(page, origin) {
    this.page = page;
    this.origin = origin;
    page.on('websocket', socket => {
      if (socket.url().includes('/channels?')) socket.on('framereceived', () => { this.heard = true; });
    });
  }

  /** Without what an earlier workspace had open: its hidden tabs would be found by selectors, too. */
  async go(address) {
    this.heard = false;
    await this.page.goto(`${this.origin}${address}${address.includes('?') ? '&' : '?'}reset`);
  }

  async reload() {
    this.heard = false;
    await this.page.reload();
  }

  /** Waits for a notebook whose kernel waits. */
  async idle() {
    await this.page.waitForSelector(CELL);
    // Before there is a kernel, JupyterLab calls it idle.
    await until('a word of the kernel', () => this.heard);
    // A narrow toolbar hides it.
    await this.page.waitForSelector(`${PANEL} .jp-Notebook-ExecutionIndicator[data-status="idle"]`, { state: 'attached' });
  }

  cell(n) {
    return this.page.locator(CELL).nth(n);
  }

  async prompt(n) {
    return (await this.cell(n).locator('.jp-InputPrompt').first().textContent()).trim();
  }

  /** The text of a cell's outputs, hidden parts too, without the end of its last line. */
  async output(n) {
    return (await this.cell(n).locator('.jp-OutputArea-output').allTextContents()).join('\n').trimEnd();
  }

  /** Waits until a cell's outputs are this text. */
  async shows(n, text) {
    let found;
    const wanted = text.trimEnd();
    await until(`cell ${n} to show ${JSON.stringify(wanted.slice(-80))}`, async () => (found = await this.output(n)) === wanted)
      .catch(error => { throw new Error(`${error.message}; it shows ${JSON.stringify(found?.slice(-200))}`); });
  }

  /** Waits until a cell's outputs have this text somewhere. */
  async says(n, text) {
    await until(`cell ${n} to say ${text}`, async () => (await this.output(n)).includes(text));
  }

  async top() {
    await this.page.locator(`${PANEL} .jp-WindowedPanel-outer`).first().evaluate(outer => outer.scrollTo(0, 0));
  }

  async select(n) {
    await this.cell(n).locator('.jp-InputPrompt').first().click();
    await this.page.keyboard.press('Escape');
  }

  async edit(n) {
    await this.cell(n).locator('.cm-content').first().click();
  }

  /** Replaces the text of a cell. */
  async type(n, text) {
    await this.edit(n);
    await this.page.keyboard.press('Control+a');
    await this.page.keyboard.insertText(text);
  }

  /** Runs a cell without waiting for its end. */
  async begin(n) {
    await this.select(n);
    await this.page.keyboard.press('Control+Enter');
  }

  async running(n) {
    await until(`cell ${n} to run`, async () => (await this.prompt(n)).startsWith('[*]'));
    // The kernel has it, too.
    await this.page.waitForSelector(`${PANEL} .jp-Notebook-ExecutionIndicator[data-status="busy"]`, { state: 'attached' });
  }

  async done(n) {
    return until(`the end of cell ${n}`, async () => /^\[\d+\]/.exec(await this.prompt(n)));
  }

  /** Runs a cell to its end. A number of an earlier run is no end of this one. */
  async run(n) {
    const before = await this.prompt(n);
    await this.begin(n);
    await until(`the end of cell ${n}`, async () => {
      const now = await this.prompt(n);
      return now !== before && /^\[\d+\]/.test(now);
    });
  }

  /** A command of a menu, by its id; `text` chooses among several. */
  async menu(title, commands) {
    await this.page.locator('.lm-MenuBar-itemLabel', { hasText: new RegExp(`^${title}$`) }).click();
    for (const { id, submenu, text } of [commands].flat()) {
      const items = this.page.locator(submenu ? '.lm-Menu-item[data-type="submenu"]' : `.lm-Menu-item[data-command="${id}"]`);
      const item = (text || submenu ? items.filter({ hasText: text ?? submenu }) : items).first();
      await item.waitFor();
      await item.hover();
      await item.click();
    }
  }

  async accept() {
    await this.page.locator('.jp-Dialog .jp-mod-accept').click();
    await this.page.locator('.jp-Dialog').waitFor({ state: 'detached' });
  }

  async theme(name) {
    await this.menu('Settings', [{ submenu: 'Theme' }, { id: 'apputils:change-theme', text: name }]);
    const light = String(!name.includes('Dark'));
    await this.page.waitForSelector(`body[data-jp-theme-light="${light}"]`, { state: 'attached' });
    // A splash screen covers the page while a theme loads.
    await this.page.locator('#jupyterlab-splash').waitFor({ state: 'detached' });
  }

  /** Whether a word in an editor has a colour of its own. */
  async coloured(editor, word) {
    return until(`colours in ${word}`, () => editor.evaluate((content, sought) => {
      const plain = getComputedStyle(content).color;
      return [...content.querySelectorAll('.cm-line span')].some(
        span => span.textContent.trim() === sought && getComputedStyle(span).color !== plain);
    }, word));
  }

  async picture(name) {
    await this.page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
  }

  /** Waits until the drawn picture of an image is there. */
  async drawn(image) {
    const size = await until('a picture', () => image.evaluate(e => e.complete && e.naturalWidth));
    expect(size > 0, 'the picture is empty');
  }
}
