// The server under test: started with nothing on its PATH, traced, and asked for its processes.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { until } from './until.mjs';

const parent = pid => Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const command = pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');

export class Server {
  constructor(work, root) {
    this.root = root;
    this.traces = path.join(work, 'execve');
    this.text = '';
    const home = path.join(work, 'home');
    const nothing = path.join(work, 'nothing');
    [home, nothing, this.traces].forEach(folder => mkdirSync(folder, { recursive: true }));
    // A file for each process: in one for all, lines of several threads would be torn.
    const files = ['-o', path.join(this.traces, 'of')];
    const traced = ['-ff', '--seccomp-bpf', '-qq', '-s', '200', '-e', 'trace=execve,execveat', ...files];
    this.process = spawn(process.env.STRACE, [...traced, process.env.MINERVA, 'lab', '--no-browser', '--port', '0', root], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { HOME: home, PATH: nothing, XDG_DATA_HOME: path.join(home, 'data'), JUPYTER_PATH: nothing, LANG: 'C.UTF-8' },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', data => { this.text += data; });
    this.process.on('error', error => { this.text += error; });
  }

  async ready() {
    const found = await until('the address of the server', () => {
      if (this.process.exitCode !== null) throw new Error(`the server has ended with ${this.process.exitCode}:\n${this.text}`);
      return /http:\/\/(\S+?)\/lab(?:\/\S*?)?\?token=(\S+)/.exec(this.text);
    });
    this.origin = `http://${found[1]}`;
    this.token = found[2];
  }

  /** What the kernels do. */
  async states() {
    const answer = await fetch(`${this.origin}/api/kernels`, { headers: { Authorization: `token ${this.token}` } });
    return (await answer.json()).map(kernel => kernel.execution_state);
  }

  /** Pids of running kernels: children of the server, which is the child of strace. */
  kernels() {
    return readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number).filter(pid => {
      try {
        return command(pid)[1] === 'kernel' && parent(parent(pid)) === this.process.pid;
      } catch {
        return false; // it has just ended
      }
    });
  }

  /** Ends the server as a service manager does. Says what it and all below it have started, or have tried to start. */
  async stop() {
    const [pid] = readFileSync(`/proc/${this.process.pid}/task/${this.process.pid}/children`, 'utf8').split(' ').map(Number);
    if (pid) process.kill(pid, 'SIGTERM');
    await until('the end of the server', () => this.process.exitCode !== null || this.process.signalCode !== null);
    const lines = readdirSync(this.traces).map(name => readFileSync(path.join(this.traces, name), 'utf8')).join('\n');
    const started = [...lines.matchAll(/^execve(?:at)?\((?:\w+, )?"([^"]*)"/gm)];
    return [...new Set(started.map(match => match[1]))];
  }
}
