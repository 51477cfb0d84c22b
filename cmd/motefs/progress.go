package main

import (
	"strings"

	"github.com/motefs/motefs/cmd/motefs/internal/progress"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/text"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// outputFlags say how a command that takes long shows what it does.
type outputFlags struct {
	progress progress.Mode
	json     bool // objects on standard output, and nothing else there
}

// registerProgress adds --progress.
func (f *outputFlags) registerProgress(flags *pflag.FlagSet) {
	f.progress = progress.Auto
	flags.Var(&f.progress, "progress", "how progress is shown, `auto|bar|plain|json|none`: bars on a terminal, lines of the log, or JSON on standard error; auto: bars, or lines where there is no terminal")
}

// registerJSON adds --json.
func (f *outputFlags) registerJSON(flags *pflag.FlagSet) {
	flags.BoolVar(&f.json, "json", false, "print JSON objects, one a line: the status every second, what failed, and a summary; their fields are documented and stay")
}

// startProgress begins to show how far the work of source has come.
func (a *app) startProgress(s *screen.Screen, log zerolog.Logger, source *status.Source) *progress.Reporter {
	o := progress.Options{Mode: a.output.progress, Screen: s, Log: log, Source: source}
	o.Emit = func(st status.Status) {
		a.emit(a.stderr, status.Message{MessageType: status.MessageStatus, Status: &st})
	}
	switch {
	case a.output.json && (o.Mode == "" || o.Mode == progress.Auto || o.Mode == progress.JSON):
		o.Mode = progress.JSON
		o.Emit = func(st status.Status) {
			a.emit(a.stdout, status.Message{MessageType: status.MessageStatus, Status: &st})
		}
	case a.quiet && (o.Mode == "" || o.Mode == progress.Auto):
		o.Mode = progress.None
	case a.logFormat == "json" && (o.Mode == "" || o.Mode == progress.Auto):
		o.Mode = progress.Plain // who reads JSON has no use for bars
	}
	return progress.Start(o)
}

func count(n uint64) string      { return text.Count(n) }
func bytesText(n float64) string { return text.Bytes(n) }

// counted is a number of things, as in "1 try" and "2,000 tries".
func counted(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		return count(n) + " " + stem + "ies"
	}
	if strings.HasSuffix(thing, "s") {
		return count(n) + " " + thing + "es"
	}
	return count(n) + " " + thing + "s"
}
