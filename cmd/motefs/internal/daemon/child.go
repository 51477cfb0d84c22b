package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// variable is the environment's word for the descriptor of the daemon's pipe.
const variable = "MOTEFS_DAEMON_PIPE"

// message is one line on the pipe.
type message struct {
	Doing  string `json:"doing,omitempty"`  // what the daemon is about to do
	Ready  bool   `json:"ready,omitempty"`  // it serves, and Line says so
	Failed bool   `json:"failed,omitempty"` // it does not, and Line says why
	Line   string `json:"line,omitempty"`
	Status int    `json:"status,omitempty"` // what it exits with
}

// Child is the daemon's end. The methods of nil, of a process that is no daemon, do
// nothing.
type Child struct {
	mu struct {
		sync.Mutex
		pipe *os.File // nil: all is said
	}
}

// Inherited is the daemon's end where this process was started as one, else nil.
func Inherited() *Child {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return nil
	}
	_ = os.Unsetenv(variable) // no child of this process is the daemon; the name is well-formed
	fd, err := strconv.Atoi(text)
	var st unix.Stat_t
	if err != nil || fd < 3 || unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil // somebody else's variable
	}
	unix.CloseOnExec(fd)
	c := &Child{}
	c.mu.pipe = os.NewFile(uintptr(fd), "daemon")
	return c
}

// Doing says what is about to be done, for who waits in vain.
func (c *Child) Doing(text string) {
	if c != nil {
		_ = c.say(message{Doing: text}, false) // whoever does not listen any more is found out by Ready
	}
}

// Ready makes this process a daemon, and says so with a line for who started it. An
// error means that it should end: nobody would know of it.
func (c *Child) Ready(line string) error {
	if c == nil {
		return nil
	}
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("daemon: setsid: %w", err)
	}
	if err := os.Chdir("/"); err != nil { // and keep no filesystem busy
		return fmt.Errorf("daemon: %w", err)
	}
	if err := c.say(message{Ready: true, Line: line}, true); err != nil {
		return fmt.Errorf("daemon: who started it is gone: %w", err)
	}
	return nil
}

// Failed says why this process ends, unless it has served, and with which status.
func (c *Child) Failed(line string, status int) {
	if c != nil {
		_ = c.say(message{Failed: true, Line: line, Status: status}, true) // the process ends in any case
	}
}

// say writes one message, which may be the last.
func (c *Child) say(m message, last bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.pipe == nil {
		return nil
	}
	err := json.NewEncoder(c.mu.pipe).Encode(m)
	if last {
		c.mu.pipe.Close()
		c.mu.pipe = nil
	}
	return err
}
