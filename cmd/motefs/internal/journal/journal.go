// Package journal sends the log to the system's: journald or a syslog daemon, which
// both listen where syslog(3) does.
package journal

import (
	"bytes"
	"fmt"
	"log/syslog"
	"sync"

	"github.com/rs/zerolog"
)

// Writer is the system's log. It takes lines by Write, and what zerolog logs by
// WriteLevel.
type Writer struct {
	to   *syslog.Writer
	text bool
	mu   sync.Mutex // over buf and console
	buf  bytes.Buffer
	cons zerolog.ConsoleWriter
}

// Open connects to the system's log under a name. text has log lines be sent as people
// read them, and otherwise as JSON; prepare, of zerolog.ConsoleWriter, readies these.
func Open(name string, text bool, prepare func(map[string]any) error) (*Writer, error) {
	to, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, name)
	if err != nil {
		return nil, fmt.Errorf("the system's log: %w", err)
	}
	w := &Writer{to: to, text: text}
	w.cons = zerolog.ConsoleWriter{
		Out: &w.buf, NoColor: true, FormatPrepare: prepare,
		PartsExclude: []string{zerolog.TimestampFieldName, zerolog.LevelFieldName}, // which the system's log has itself
	}
	return w, nil
}

// Write sends a line that is no log line.
func (w *Writer) Write(p []byte) (int, error) { return w.to.Write(bytes.TrimRight(p, "\n")) }

// WriteLevel sends a log line, with its severity.
func (w *Writer) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := string(p)
	if w.text {
		w.buf.Reset()
		if _, err := w.cons.Write(p); err != nil {
			return 0, err
		}
		line = w.buf.String()
	}
	send := w.to.Info
	switch level {
	case zerolog.DebugLevel, zerolog.TraceLevel:
		send = w.to.Debug
	case zerolog.WarnLevel:
		send = w.to.Warning
	case zerolog.ErrorLevel, zerolog.FatalLevel, zerolog.PanicLevel:
		send = w.to.Err
	}
	if err := send(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the connection.
func (w *Writer) Close() error { return w.to.Close() }
