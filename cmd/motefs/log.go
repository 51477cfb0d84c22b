package main

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// logger makes the program's one logger, which writes to w.
func (a *app) logger(w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(a.logLevel)
	if err != nil || a.logLevel == "" {
		return zerolog.Logger{}, usagef("--log-level %q: give debug, info, warn or error", a.logLevel)
	}
	if a.quiet {
		level = max(level, zerolog.WarnLevel)
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
