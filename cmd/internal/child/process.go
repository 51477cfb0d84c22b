package child

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds the time until a program can be used, and until it ends.
const patience = 30 * time.Second

// Process is a running program, with all that it starts in a process group of its
// own: a ^C is for whoever started it. End it with Wait or Stop.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error         // how it ended, once ended is closed
	more  chan struct{} // has an element where there is output that Await has not seen
	mu    struct {
		sync.Mutex
		output []byte
	}
}

// Start starts a program in a directory, without proxies: what it asks is on this
// machine. It is told to end when the thread that called Start does.
func Start(dir string, argv ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(argv[0], argv[1:]...), ended: make(chan struct{}), more: make(chan struct{}, 1)}
	p.cmd.Dir = dir
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return strings.HasSuffix(strings.ToLower(name), "_proxy")
	})
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p.cmd.WaitDelay = 5 * time.Second // for what still holds its output
	p.cmd.Stdout, p.cmd.Stderr = (*output)(p), (*output)(p)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Await waits until ready says so, which is asked after each output and now and
// then.
func (p *Process) Await(ctx context.Context, ready func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not ready after %s", patience))
	defer cancel()
	for !ready() {
		select {
		case <-p.more:
		case <-time.After(10 * time.Millisecond):
		case <-p.ended:
			return p.explain(fmt.Errorf("it ended (%v)", p.cmd.ProcessState))
		case <-ctx.Done():
			return p.explain(context.Cause(ctx))
		}
	}
	return nil
}

// Wait waits until the process ends by itself. At the end of ctx it is killed, with
// all that it started.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		if p.err != nil {
			return p.explain(p.err)
		}
		return nil
	case <-ctx.Done():
		p.kill()
		return context.Cause(ctx)
	}
}

// Stop tells the process to end; what does not is killed.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
	}
}

func (p *Process) kill() {
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.ended
}

// Output is the end of what the process has printed.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.mu.output)
}

// outputBytes bounds what is kept.
const outputBytes = 64 << 10

type output Process

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.output = append(o.mu.output, text...)
	o.mu.output = o.mu.output[max(0, len(o.mu.output)-outputBytes):]
	select {
	case o.more <- struct{}{}:
	default:
	}
	return len(text), nil
}

// explain adds the last line that the process printed.
func (p *Process) explain(err error) error {
	const most = 120
	lines := strings.Split(strings.TrimSpace(p.Output()), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return err
	}
	return fmt.Errorf("%w: %.*s", err, most, last)
}
