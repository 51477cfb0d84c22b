//go:build !noserver

package natsbus

import (
	"fmt"
	"sync"

	"github.com/rs/zerolog"
)

// serverLog is the log of a server. What it finds normal only a debugging log says.
type serverLog struct {
	log zerolog.Logger
	mu  struct {
		sync.Mutex
		fatal string
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.say(zerolog.DebugLevel, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.say(zerolog.WarnLevel, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.say(zerolog.ErrorLevel, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  {}
func (l *serverLog) Tracef(format string, v ...any)  {}

// Fatalf keeps why the server does not start. It ends nothing: Embedded returns it.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.fatal = fmt.Sprintf(format, v...)
}

func (l *serverLog) say(level zerolog.Level, format string, v []any) {
	l.log.WithLevel(level).Str("from", "NATS").Msgf(format, v...)
}

func (l *serverLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.fatal
}
