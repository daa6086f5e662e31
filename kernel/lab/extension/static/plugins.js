// Our plugins. Each stands alone: one that cannot be made is left out, and JupyterLab starts without it.
import { rhai } from './rhai.js';
import { MIME, tokensWidget } from './tokens.js';
import { OWL } from './logo.js';
import { takeUp as takeUpIn } from './runs.js';

const NAME = '@minerva/lab-extension';

/** All plugins that can be made of what JupyterLab shares. */
export async function plugins(shared) {
  const makers = [language, fileType, tokens, charts, logo, about, help, takeUp];
  const made = await Promise.allSettled(makers.map(maker => maker(shared)));
  for (const part of made) {
    if (part.status === 'rejected') {
      console.warn('Minerva: a part of the extension is missing.', part.reason);
    }
  }
  return made.filter(part => part.status === 'fulfilled').map(part => part.value);
}

/** Colours, indentation and comments of Rhai, in cells and files. */
async function language(shared) {
  const { IEditorLanguageRegistry } = await shared('@jupyterlab/codemirror');
  const { LanguageSupport, StreamLanguage } = await shared('@codemirror/language');
  return {
    id: `${NAME}:language`,
    description: 'Colours Rhai.',
    autoStart: true,
    optional: [IEditorLanguageRegistry],
    activate: (_app, languages) => {
      languages?.addLanguage({
        name: 'Rhai',
        mime: 'text/x-rhai',
        extensions: ['rhai'],
        load: async () => new LanguageSupport(StreamLanguage.define(rhai))
      });
    }
  };
}

/** `.rhai` is a file of its own kind. */
async function fileType(shared) {
  const { LabIcon } = await shared('@jupyterlab/ui-components');
  const { ILauncher } = await shared('@jupyterlab/launcher');
  const { IMainMenu } = await shared('@jupyterlab/mainmenu');
  const { IEditorTracker } = await shared('@jupyterlab/fileeditor');
  return {
    id: `${NAME}:file-type`,
    description: 'Names files of Rhai.',
    autoStart: true,
    optional: [ILauncher, IMainMenu, IEditorTracker],
    activate: (app, launcher, menu, editors) => {
      const icon = new LabIcon({ name: 'minerva:rhai', svgstr: OWL });
      app.docRegistry.addFileType({
        name: 'rhai',
        displayName: 'Rhai File',
        extensions: ['.rhai'],
        mimeTypes: ['text/x-rhai'],
        contentType: 'file',
        fileFormat: 'text',
        icon
      });
      const args = {
        fileExt: 'rhai',
        iconName: icon.name,
        launcherLabel: 'Rhai File',
        paletteLabel: 'New Rhai File',
        caption: 'Create a new Rhai file'
      };
      const command = 'fileeditor:create-new';
      launcher?.add({ command, args, category: 'Other', rank: 3 });
      menu?.fileMenu.newMenu.addItem({ command, args, rank: 35 });
      editors?.widgetAdded.connect((_, editor) => {
        if (editor.context.path.endsWith('.rhai')) {
          editor.title.icon = icon;
        }
      });
    }
  };
}

/** Generated tokens as chips. */
async function tokens(shared) {
  const { IRenderMimeRegistry } = await shared('@jupyterlab/rendermime');
  const { Widget } = await shared('@lumino/widgets');
  const TokensWidget = tokensWidget(Widget);
  return {
    id: `${NAME}:tokens`,
    description: 'Shows generated tokens with their probabilities.',
    autoStart: true,
    optional: [IRenderMimeRegistry],
    activate: (_app, rendermime) => {
      const createRenderer = options => new TokensWidget(options);
      rendermime?.addFactory({ safe: true, mimeTypes: [MIME], createRenderer }, 0);
    }
  };
}

/** Charts are drawn again for another theme: their words would be dark on dark. */
async function charts(shared) {
  const { IThemeManager } = await shared('@jupyterlab/apputils');
  const { INotebookTracker } = await shared('@jupyterlab/notebook');
  return {
    id: `${NAME}:charts`,
    description: 'Draws charts in the colours of the theme.',
    autoStart: true,
    optional: [IThemeManager, INotebookTracker],
    activate: (_app, themes, notebooks) => {
      themes?.themeChanged.connect(() => {
        const cells = [];
        notebooks?.forEach(panel => cells.push(...panel.content.widgets));
        for (const area of cells.map(cell => cell.outputArea).filter(Boolean)) {
          area.widgets.forEach((output, n) => {
            const chart = [...(output.children?.() ?? [])].find(part => part.hasClass('jp-RenderedVegaCommon5'));
            const model = n < area.model.length && area.model.get(n);
            if (chart && model) {
              chart.renderModel(model).catch(error => console.warn('Minerva: a chart is not drawn again.', error));
            }
          });
        }
      });
    }
  };
}

/** Minerva's owl at the top left, where JupyterLab has its own logo. */
async function logo(shared) {
  const { LabIcon } = await shared('@jupyterlab/ui-components');
  const { Widget } = await shared('@lumino/widgets');
  return {
    id: `${NAME}:logo`,
    description: 'Shows the logo.',
    autoStart: true,
    activate: app => {
      const widget = new Widget();
      const container = widget.node;
      const icon = new LabIcon({ name: 'minerva:logo', svgstr: OWL });
      icon.element({ container, elementPosition: 'center', margin: '2px 2px 2px 8px', height: 'auto', width: '18px' });
      widget.id = 'jp-MainLogo';
      app.shell.add(widget, 'top', { rank: 0 });
    }
  };
}

/** What this program is, and what it is made of. */
async function about(shared) {
  const { Dialog, ICommandPalette, showDialog } = await shared('@jupyterlab/apputils');
  const { PageConfig } = await shared('@jupyterlab/coreutils');
  const { IMainMenu } = await shared('@jupyterlab/mainmenu');
  const { Widget } = await shared('@lumino/widgets');
  const command = 'help:about';
  const links = [
    ['JupyterLab', 'https://jupyter.org'],
    ['its contributors', 'https://github.com/jupyterlab/jupyterlab/graphs/contributors']
  ];
  return {
    id: `${NAME}:about`,
    description: 'Says what this is.',
    autoStart: true,
    optional: [ICommandPalette, IMainMenu],
    activate: (app, palette, menu) => {
      app.commands.addCommand(command, {
        label: `About ${app.name}`,
        execute: () => {
          const body = new Widget();
          body.addClass('minerva-About');
          // Our own text, nothing of a person's.
          body.node.innerHTML = `${OWL}<p>Local language models in a notebook, without Python.</p>
            <p>The front end is JupyterLab ${app.version}, © 2015–2026 Project Jupyter Contributors.
            <em>Help → Licenses</em> lists all its parts.</p>
            <p>${links.map(([text, url]) => `<a href="${url}" target="_blank" rel="noopener noreferrer">${text}</a>`).join(' · ')}</p>`;
          const title = `${app.name} ${PageConfig.getOption('minervaVersion')}`;
          return showDialog({ title, body, buttons: [Dialog.cancelButton({ label: 'Close' })] });
        }
      });
      palette?.addItem({ command, category: 'Help' });
      menu?.helpMenu.addGroup([{ command }], 0);
    }
  };
}

/** Help of other hosts opens in a tab of its own: this page lets none of them in. */
async function help() {
  return {
    id: `${NAME}:help`,
    description: 'Opens help in a browser tab.',
    autoStart: true,
    activate: app => {
      app.commands.addCommand('help:open', {
        label: args => String(args.text ?? 'Open help'),
        execute: args => {
          const url = new URL(String(args.url), location.href);
          if (url.protocol === 'https:' || url.protocol === 'http:') {
            window.open(url.href, '_blank', 'noopener');
          }
        }
      });
    }
  };
}

/** A notebook that is opened shows what its cells said meanwhile, and goes on with those that run. */
async function takeUp(shared) {
  const { CodeCell } = await shared('@jupyterlab/cells');
  const { INotebookTracker } = await shared('@jupyterlab/notebook');
  const { ServerConnection } = await shared('@jupyterlab/services');
  return {
    id: `${NAME}:runs`,
    description: 'Takes up cells that ran while no page was open.',
    autoStart: true,
    optional: [INotebookTracker],
    activate: (app, notebooks) => {
      const settings = app.serviceManager.serverSettings;
      const get = path => ServerConnection.makeRequest(`${settings.baseUrl}${path}`, {}, settings);
      notebooks?.widgetAdded.connect((_, panel) => takeUpIn(panel, get, CodeCell.execute));
    }
  };
}
