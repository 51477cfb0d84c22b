package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/rs/zerolog"
)

// tell says on standard output what a command does, in the form of the log. With --quiet,
// or where standard output is for JSON objects, it says nothing.
func (a *app) tell(format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	switch {
	case a.quiet || a.output.json:
	case a.logFormat == "json":
		line := zerolog.New(a.stdout).With().Timestamp().Logger()
		line.Info().Msg(text)
	default:
		fmt.Fprintf(a.stdout, "motefs: %s\n", text)
	}
}

// warn says on standard error what went wrong and does not end the command.
func (a *app) warn(format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	if a.logFormat == "json" {
		line := zerolog.New(a.stderr).With().Timestamp().Logger()
		line.Warn().Msg(text)
		return
	}
	fmt.Fprintf(a.stderr, "motefs: %s\n", text)
}

// emit writes one JSON object in a line.
func (a *app) emit(w io.Writer, object any) {
	line, err := json.Marshal(object)
	if err != nil { // a bug, if ever
		a.warn("JSON: %v", err)
		return
	}
	fmt.Fprintf(w, "%s\n", line)
}

// exitMessage is the last line of a command with --json that ends with another status
// than 0, on standard error.
type exitMessage struct {
	MessageType string `json:"message_type"` // exit_error
	Code        int    `json:"code"`
	Message     string `json:"message"`
}

// reportEnd prints how a command ended, on one line and in the form of the log, and returns
// the exit status.
func (a *app) reportEnd(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitStatus(err)
	text := oneLine(err.Error())
	interrupted := code == exitInterrupted && onlyCancelled(err)
	if interrupted {
		text = "interrupted"
	}
	switch {
	case a.output.json:
		a.emit(a.stderr, exitMessage{MessageType: status.MessageExit, Code: code, Message: text})
	case a.logFormat == "json":
		level := zerolog.ErrorLevel
		if interrupted {
			level = zerolog.InfoLevel
		}
		line := zerolog.New(a.stderr).With().Timestamp().Logger()
		line.WithLevel(level).Int("exit_status", code).Msg(text)
	default:
		return report(a.stderr, err)
	}
	return code
}
