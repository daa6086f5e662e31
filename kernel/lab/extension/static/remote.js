// The container that JupyterLab's module federation loads: `init` gets what JupyterLab shares, `get` gives our plugins.
// Written by hand: what a bundler would add is the lookup in `shared` below, and nothing else is needed.
(() => {
  'use strict';
  const NAME = '@minerva/lab-extension';
  const here = document.currentScript?.src ?? `${location.origin}/lab/extensions/${NAME}/static/remote.js`;
  let scope = {};

  /** A module that JupyterLab shares, the very one that its own plugins use. */
  async function shared(name) {
    const versions = scope[name] ?? {};
    const keys = Object.keys(versions);
    const key = keys.find(key => versions[key].loaded) ?? keys[0];
    if (key === undefined) {
      throw new Error(`JupyterLab shares no module ${name}; this extension is made for JupyterLab 4.6`);
    }
    const entry = versions[key];
    const factory = typeof entry.lib === 'function' ? entry.lib : await entry.get();
    return factory();
  }

  async function get(module) {
    if (module !== './extension') {
      throw new Error(`${NAME} has no module ${module}`);
    }
    const { plugins } = await import(new URL('plugins.js', here).href);
    const made = { __esModule: true, default: await plugins(shared) };
    return () => made;
  }

  function init(shareScope) {
    scope = shareScope ?? {};
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB[NAME] = { init, get };
})();
