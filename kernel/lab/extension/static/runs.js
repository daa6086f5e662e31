// Cells that run on after their page was closed. JupyterLab itself shows outputs only to the page that ran the cell; the
// server keeps what the kernel said of cells that nobody looks at, and says it again to the page that asks.

/** Looks after the cells of a notebook's panel, now and whenever it gets a kernel. */
export function takeUp(panel, get, execute) {
  const context = panel.sessionContext;
  const look = () => takeUpNow(panel, get, execute).catch(error => console.warn('Minerva: outputs are missing.', error));
  context.kernelChanged.connect(look);
  panel.disposed.connect(() => context.kernelChanged.disconnect(look));
  look();
}

async function takeUpNow(panel, get, execute) {
  await panel.context.ready;
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) {
    return;
  }
  const answer = await get(`api/minerva/kernels/${encodeURIComponent(kernel.id)}/unseen`);
  if (!answer.ok) {
    return;
  }
  const runs = await answer.json();
  if (panel.isDisposed || panel.sessionContext.session?.kernel !== kernel) {
    return;
  }
  for (const run of runs) {
    const cell = panel.content.widgets.find(cell => cell.model.type === 'code' && cell.model.id === run.cell);
    if (cell && isNews(cell.model, run)) {
      const { executionCount } = cell.model;
      const before = cell.model.outputs.toJSON();
      // It is sent as if the cell were run; the server knows by this name that it is not to be.
      execute(cell, panel.sessionContext, { minervaRun: run.request }).then(
        reply => {
          if (reply?.content.status === 'aborted' && cell.model.outputs.length === 0) {
            // Another page has taken the run up: what was saved stays.
            cell.model.outputs.fromJSON(before);
            cell.model.executionCount = executionCount;
          }
          // JupyterLab does it for a cell that has got a number. One whose kernel ended has none.
          cell.model.executionState = 'idle';
        },
        () => {}
      );
    }
  }
}

/** Whether a cell does not show this run yet: it does where it has its number, which JupyterLab writes at the end. */
export function isNews(model, run) {
  const shown = run.done && run.count !== null && model.executionCount === run.count;
  return !shown && model.executionState !== 'running' && model.sharedModel.getSource().trim() !== '';
}
