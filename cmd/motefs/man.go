//go:build man

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Manual pages are written by a build of the program of its own, with the tag man, so that
// what writes them is in no other: go run -tags man ./cmd/motefs man README.md DIR
func init() { buildCommands = append(buildCommands, manCommand) }

func manCommand(*app) *cobra.Command {
	return &cobra.Command{
		Use:    "man README DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			readme, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			statuses, err := statusSection(string(readme))
			if err != nil {
				return err
			}
			for _, c := range pages(cmd.Root()) {
				if err := writePage(c, statuses, args[1]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// pages are the commands that have a page each.
func pages(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "completion" && c.Name() != "help" {
			all = append(all, pages(c)...)
		}
	}
	return all
}

// writePage writes the page of one command, with the sections that cobra does not know.
func writePage(cmd *cobra.Command, statuses, dir string) error {
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	cmd.DisableAutoGenTag = true
	var page bytes.Buffer
	header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "motefs " + version(), Manual: "motefs", Date: buildDate()}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return err
	}
	text := page.String()
	extra := statuses
	if config.Configured(cmd) {
		extra += filesSection + environmentSection
	}
	if before, after, ok := strings.Cut(text, ".SH SEE ALSO"); ok {
		text = before + extra + ".SH SEE ALSO" + after
	} else {
		text += extra
	}
	text = strings.Replace(text, ".SH EXAMPLE\n", ".SH EXAMPLES\n", 1)
	return os.WriteFile(filepath.Join(dir, name+".1"), []byte(text), 0o644) //nolint:gosec // for everyone to read
}

// buildDate is the day of the pages: that of the sources where the build says it.
func buildDate() *time.Time {
	at := time.Now()
	if seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		at = time.Unix(seconds, 0)
	}
	at = at.UTC()
	return &at
}

var statusRow = regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \|$`)

// statusSection makes a section of the table in README.md, so that there is one list.
func statusSection(readme string) (string, error) {
	_, table, ok := strings.Cut(readme, "\n## Exit status\n")
	rows := statusRow.FindAllStringSubmatch(table, -1)
	if !ok || len(rows) < 10 {
		return "", errors.New("README.md has no table of exit statuses")
	}
	text := ".SH EXIT STATUS\n"
	for _, row := range rows {
		text += fmt.Sprintf(".TP\n\\fB%s\\fP\n%s\n", row[1], roff(row[2]))
	}
	return text, nil
}

// roff is text of Markdown as a line of a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\|`, "|", `\`, `\e`, "`", "", "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

const filesSection = `.SH FILES
.TP
\fI/etc/motefs/config.yaml\fP
Settings of the machine. Keys are names of flags, at the top for all commands or below the name of one.
.TP
\fI$XDG_CONFIG_HOME/motefs/config.yaml\fP, \fI~/.config/motefs/config.yaml\fP
Settings of the user, which go before those of the machine.
.TP
\fI$XDG_CACHE_HOME/motefs/\fP, \fI~/.cache/motefs/\fP
Stores, one for each origin, where \-\-store is not given.
`

const environmentSection = `.SH ENVIRONMENT
.TP
\fBMOTEFS_\fP\fIFLAG\fP
The value of a flag that is not on the command line: MOTEFS_LIMIT_RATE is \-\-limit\-rate. It goes before the files.
.TP
\fBMOTEFS_HEADER\fP
Fields of each request's header, one 'Name: value' a line. Unlike a command line, it is not seen by other users.
.TP
\fBMOTEFS_CONFIG\fP
A file of settings, in the place of those under FILES.
.TP
\fBHTTP_PROXY\fP, \fBHTTPS_PROXY\fP, \fBNO_PROXY\fP
Proxies, as other programs have them.
.TP
\fBAWS_ACCESS_KEY_ID\fP, \fBAWS_SECRET_ACCESS_KEY\fP, \fBAWS_SESSION_TOKEN\fP, \fBAWS_PROFILE\fP, \fBAWS_REGION\fP, \fBAWS_ENDPOINT_URL_S3\fP
What an origin on S3 needs, and the object store of \-\-segments, as other programs for it have them.
.TP
\fBNATS_CREDS\fP, \fBNATS_NKEY\fP, \fBNATS_USER\fP, \fBNATS_PASSWORD\fP, \fBNATS_CA\fP, \fBNATS_CERT\fP, \fBNATS_KEY\fP
What lets a process in at the servers of \-\-cluster. All but user and password name files.
.TP
\fBGOMEMLIMIT\fP, \fBGOMAXPROCS\fP
Bounds of memory and of cores; without them motefs fits itself to its control group.
`
