package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/journal"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// openLog has the log and all output of a daemon go where they shall: to --log-file, or to
// the system's log. Others log to standard error, or to --log-file.
func (a *app) openLog() error {
	switch {
	case a.child != nil && a.logFile == "":
		w, err := journal.Open("motefs", a.logFormat != "json", plainMessage)
		if err != nil { // who started it was told
			return nil //nolint:nilerr // a mount is worth more than its log
		}
		a.journal, a.console = w, w
		a.stdout, a.stderr = plainWriter{w}, plainWriter{w}
	case a.child != nil: // its standard output and error are that file
	case a.logFile != "":
		file, err := openLogFile(a.logFile)
		if err != nil {
			return err
		}
		a.console = file // until the process ends
	}
	return nil
}

// openScreen opens the log, and the screen that shows live lines below it.
func (a *app) openScreen() (*screen.Screen, zerolog.Logger, error) {
	outliveOutput()
	if err := a.openLog(); err != nil {
		return nil, zerolog.Logger{}, err
	}
	on := screen.New(a.console)
	log, err := a.logger(on)
	return on, log, err
}

// tellStopping says so when ctx ends, also to a service manager, until stop is called.
func (a *app) tellStopping(ctx context.Context, log zerolog.Logger) (stop func() bool) {
	a.openNotify(log)
	return context.AfterFunc(ctx, func() {
		log.Info().Msg("stopping; a second Ctrl-C ends at once")
		a.notify.Stopping("stopping")
	})
}

// openLogFile opens a file to which lines are added, so that others may empty it.
func openLogFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, usagef("--log-file: %w", err)
	}
	return file, nil
}

// logger makes the program's one logger, which writes to w.
func (a *app) logger(w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(a.logLevel)
	if err != nil || a.logLevel == "" {
		return zerolog.Logger{}, usagef("--log-level %q: give debug, info, warn or error", a.logLevel)
	}
	if a.quiet {
		level = max(level, zerolog.WarnLevel)
	}
	if a.journal != nil {
		return zerolog.New(a.journal).Level(level).With().Timestamp().Logger(), nil
	}
	switch a.logFormat {
	case "json":
		w = plainWriter{w}
	case "console":
		w = zerolog.ConsoleWriter{Out: w, NoColor: !isTerminal(a.console), TimeFormat: time.TimeOnly, FormatPrepare: plainMessage}
	default:
		return zerolog.Logger{}, usagef("--log-format %q: give console or json", a.logFormat)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

// plainMessage makes one plain line of a message, which the console has as it is;
// zerolog quotes the other fields.
func plainMessage(event map[string]any) error {
	if text, ok := event[zerolog.MessageFieldName].(string); ok {
		event[zerolog.MessageFieldName] = oneLine(text)
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
