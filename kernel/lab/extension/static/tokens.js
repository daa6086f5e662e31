// Generated tokens as a row of chips: the less likely a token was, the stronger its colour.

export const MIME = 'application/vnd.minerva.tokens+json';

/** So many chips are shown; more would make the page slow. */
const MOST = 5000;
/** A probability of e to the minus this has the full colour, as in the kernel's own HTML. */
const FULL = 6;
const SIGNS = { ' ': '␣', '\n': '↵', '\r': '␍', '\t': '→' };

/** The tokens in `data`, or null where it holds something else. */
export function read(data) {
  const plain = token =>
    token !== null &&
    typeof token === 'object' &&
    typeof token.text === 'string' &&
    (token.id == null || Number.isInteger(token.id)) &&
    (token.logprob == null || Number.isFinite(token.logprob));
  const good = token => plain(token) && (token.top == null || (Array.isArray(token.top) && token.top.every(plain)));
  if (data === null || typeof data !== 'object' || !Array.isArray(data.tokens) || !data.tokens.every(good)) {
    return null;
  }
  const prompt = Number.isInteger(data.prompt) && data.prompt > 0 ? data.prompt : 0;
  return { tokens: data.tokens, prompt };
}

/** How strong the colour of a token is, from 0 to 1. */
export function strength(logprob) {
  return logprob == null ? 0 : Math.min(1, Math.max(0, -logprob / FULL));
}

/** A probability as people read it. */
export function percent(logprob) {
  if (logprob == null) {
    return '';
  }
  const p = 100 * Math.exp(logprob);
  return `${p >= 0.01 || p === 0 ? p.toFixed(2) : p.toExponential(1)} %`;
}

/** Text in one line, with what cannot be seen written out. */
export function quoted(text) {
  return JSON.stringify(text);
}

/** The class of widgets that show tokens, made from JupyterLab's own class of widgets. */
export function tokensWidget(Widget) {
  return class TokensWidget extends Widget {
    constructor(options) {
      super();
      this.mimeType = options?.mimeType ?? MIME;
      this.addClass('minerva-Tokens');
      this.node.dataset.mimeType = this.mimeType;
      this.current = -1;
      this.chips = [];
      this.tokens = [];
      this.node.tabIndex = 0;
      this.node.setAttribute('role', 'group');
      this.node.setAttribute('aria-label', 'Tokens with their probabilities; arrow keys go from one to the next');
    }

    async renderModel(model) {
      this.hideTip();
      this.node.replaceChildren();
      const data = model.data[this.mimeType];
      try {
        const found = read(data);
        if (found === null) {
          this.showJson(data);
        } else {
          this.showTokens(found);
        }
      } catch (error) {
        console.warn('Minerva: these tokens cannot be shown.', error);
        this.showJson(data);
      }
    }

    showJson(data) {
      this.chips = [];
      this.tokens = [];
      const note = element('div', 'minerva-Tokens-bad', 'Not a list of tokens:');
      let text;
      try {
        text = JSON.stringify(data, null, 2) ?? String(data);
      } catch {
        text = String(data);
      }
      this.node.replaceChildren(note, element('pre', '', text));
    }

    showTokens({ tokens, prompt }) {
      this.tokens = tokens.slice(0, MOST);
      this.current = -1;
      this.chips = this.tokens.map((token, index) => chip(token, index < prompt));
      this.node.replaceChildren(...this.chips);
      if (tokens.length > MOST) {
        this.node.append(element('div', 'minerva-Tokens-more', `… and ${tokens.length - MOST} more tokens`));
      }
    }

    handleEvent(event) {
      switch (event.type) {
        case 'pointerover':
          this.point(this.chips.indexOf(event.target.closest?.('.minerva-Token') ?? null));
          break;
        case 'keydown':
          this.step(event);
          break;
        case 'scroll':
          this.placeTip();
          break;
        default:
          this.point(-1);
      }
    }

    step(event) {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by !== undefined && this.chips.length > 0 && !event.ctrlKey && !event.metaKey && !event.altKey) {
        const next = Math.min(this.chips.length - 1, Math.max(0, this.current + by));
        this.chips[next].scrollIntoView({ block: 'nearest' });
        this.point(next);
        event.preventDefault();
        event.stopPropagation();
      } else if (event.key === 'Escape' && this.current >= 0) {
        this.point(-1);
        event.stopPropagation();
      }
    }

    point(index) {
      this.chips[this.current]?.classList.remove('minerva-mod-current');
      this.current = index;
      const here = this.chips[index];
      if (here === undefined) {
        this.hideTip();
        return;
      }
      here.classList.add('minerva-mod-current');
      this.showTip(this.tokens[index]);
    }

    showTip(token) {
      this.hideTip();
      this.tip = tip(token);
      document.body.append(this.tip);
      this.placeTip();
    }

    placeTip() {
      const here = this.chips[this.current];
      if (this.tip === undefined || here === undefined) {
        return;
      }
      const [at, size] = [here.getBoundingClientRect(), this.tip.getBoundingClientRect()];
      const below = at.bottom + size.height + 8 < window.innerHeight;
      const left = Math.max(4, Math.min(at.left, window.innerWidth - size.width - 4));
      this.tip.style.left = `${left}px`;
      this.tip.style.top = `${below ? at.bottom + 4 : Math.max(4, at.top - size.height - 4)}px`;
    }

    hideTip() {
      this.tip?.remove();
      this.tip = undefined;
    }

    onAfterAttach(message) {
      super.onAfterAttach(message);
      EVENTS.forEach(name => this.node.addEventListener(name, this));
      // Inside a notebook something further out scrolls, and then the tip would stay behind.
      document.addEventListener('scroll', this, { capture: true, passive: true });
    }

    onBeforeDetach(message) {
      EVENTS.forEach(name => this.node.removeEventListener(name, this));
      document.removeEventListener('scroll', this, { capture: true });
      this.hideTip();
      super.onBeforeDetach(message);
    }

    dispose() {
      this.hideTip();
      super.dispose();
    }
  };
}

const EVENTS = ['pointerover', 'pointerleave', 'keydown', 'blur'];

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) {
    made.textContent = text;
  }
  return made;
}

function chip(token, prompt) {
  const made = element('span', prompt ? 'minerva-Token minerva-mod-prompt' : 'minerva-Token');
  if (!prompt) {
    // Half transparent, so that the text is read on light and on dark ground.
    made.style.backgroundColor = `rgba(230, 97, 0, ${(0.6 * strength(token.logprob)).toFixed(2)})`;
  }
  for (const piece of token.text.split(/([ \n\r\t])/)) {
    if (Object.hasOwn(SIGNS, piece)) {
      const space = element('span', 'minerva-Token-space', piece);
      space.dataset.sign = SIGNS[piece];
      made.append(space);
    } else if (piece !== '') {
      made.append(piece);
    }
  }
  if (token.text === '') {
    made.textContent = '∅';
  }
  return made;
}

/** What is known of a token: itself first, then what else was likely at its place. */
function tip(token) {
  const made = element('div', 'minerva-Tip');
  made.setAttribute('role', 'tooltip');
  const table = document.createElement('table');
  const others = token.top ?? [];
  const itself = other => other.text === token.text && other.id === token.id;
  const rows = others.some(itself) ? others : [token, ...others];
  for (const row of rows) {
    const line = document.createElement('tr');
    if (itself(row)) {
      line.className = 'minerva-mod-chosen';
    }
    const cells = [percent(row.logprob), quoted(row.text), row.id == null ? '' : String(row.id)];
    line.append(...cells.map(text => element('td', '', text)));
    table.append(line);
  }
  made.append(table);
  return made;
}
