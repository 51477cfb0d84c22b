package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/cmd/internal/nginx"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// origin is what the contenders ask. All origins serve the first files of one and
// the same source.
type origin struct {
	name    string
	source  *serve.Synthetic // its length is the listing's
	ceiling string           // the contender that the others are held against
	needs   []program
	nginx   bool
	flags   []string // of motefs serve, which it is otherwise
}

// mirrorTable is which contenders ask which origins.
func (b *bench) mirrorTable() *table {
	t := &table{
		command: "bench", words: 3,
		columns: []string{"origin", "contender", "keeps", "files", "files/s", "CPU µs a file", "memory", "of the ceiling"},
		notes: fmt.Sprintf(`The origin shares the cores with the contender. Time is the whole process's, its start included; CPU is the contender's
alone; memory is the peak of its largest single process. The ceiling is %q for nginx (stock settings) and
%q, %d deep, for motefs serve, the same files asked for again and again over %d connections. The download
programs have %d transfers at a time and are given the names; the talk's approaches and motefs follow the listing.
`, keepAlive, pipelined, pipelineDepth, ceilingConnections, transfers),
	}
	shuffled := &origin{name: "serve", source: fileset{files: b.files}.source(true), flags: []string{"--shuffle"}}
	for _, og := range []*origin{
		{name: "nginx", source: fileset{files: min(b.files, b.scale(100_000))}.source(false), ceiling: keepAlive,
			nginx: true, needs: []program{nginxProgram}},
		{name: "serve", source: fileset{files: b.files}.source(false), ceiling: pipelined},
	} {
		var ceiling *row
		for _, c := range contenders() {
			from := og
			if c.shuffled {
				if og.name != shuffled.name {
					continue
				}
				from = shuffled
			}
			r := b.mirrorRow(c, from, &ceiling)
			if c.name == og.ceiling {
				ceiling = r
			}
			if b.only.MatchString(r.name) {
				t.rows = append(t.rows, r)
			}
		}
	}
	return t
}

// The figures of a run.
const (
	ofFiles = iota
	ofRate
	ofCPU
	ofPeak
)

func (b *bench) mirrorRow(c contender, from *origin, ceiling **row) *row {
	files := func(samples [][]float64) string { return thousands(fmt.Sprintf("%.0f", samples[0][ofFiles])) }
	peak := func(samples [][]float64) string { return significant(slices.Max(each(samples, ofPeak))/1e6, 3) + " MB" }
	ratio := func(samples [][]float64) string {
		of := median(each((*ceiling).samples, ofRate))
		if of == 0 {
			return "–"
		}
		return significant(median(each(samples, ofRate))/of, 2)
	}
	return &row{
		name:  c.name + " from " + from.name,
		needs: slices.Concat(from.needs, c.needs),
		left:  []string{from.name, c.name, c.keeps},
		lines: []line{{cells: []cell{files, figure(ofRate, 3, 1, ""), figure(ofCPU, 2, 1, ""), peak, ratio}}},
		prepare: func(ctx context.Context, dir string) (measurement, error) {
			url, err := b.serve(ctx, from)
			if err != nil {
				return nil, err
			}
			files := min(b.scale(c.files), from.source.Len())
			j := &job{bench: b, contender: c, source: from.source, url: url, files: files, dir: dir, out: filepath.Join(dir, "out")}
			argv, err := j.argv()
			return func(ctx context.Context) ([]float64, error) { return j.measure(ctx, argv) }, err
		},
	}
}

// serve starts an origin, once, and returns its URL.
func (b *bench) serve(ctx context.Context, o *origin) (string, error) {
	return b.made(fmt.Sprintf("%s-%d%s", o.name, o.source.Len(), strings.Join(o.flags, "")), func(dir string) (made, error) {
		if o.nginx {
			return b.startNginx(ctx, dir, o.source)
		}
		return b.startMotefs(ctx, o.source.Len(), o.flags...)
	})
}

// startNginx serves the files of a source, each written and read once.
func (b *bench) startNginx(ctx context.Context, dir string, source *serve.Synthetic) (made, error) {
	if err := nginx.WriteOrigin(ctx, dir, source); err != nil {
		return made{}, fmt.Errorf("write the files for nginx: %w", err)
	}
	b.sync() // writing them back is not a contender's work
	// A file's first reader moves its access time, and where the contenders
	// before it filled the disk's journal, waits for that.
	for i := range source.Len() {
		if _, err := os.ReadFile(filepath.Join(dir, "files", source.Name(i))); err != nil {
			return made{}, err
		}
	}
	url, stop, err := nginx.Start(ctx, dir, nginx.Origin(dir))
	return made{url, stop}, err
}

// listens is what motefs serve says once it can be asked.
var listens = regexp.MustCompile(`origin at (\S+);`)

func (b *bench) startMotefs(ctx context.Context, files int64, flags ...string) (made, error) {
	argv := []string{b.motefs, "serve", "--listen", "127.0.0.1:0", "--synthetic", fmt.Sprint(files)}
	p, err := child.Start("", append(argv, flags...)...)
	if err != nil {
		return made{}, err
	}
	if err := p.Await(ctx, func() bool { return listens.MatchString(p.Output()) }); err != nil {
		p.Stop()
		return made{}, fmt.Errorf("start motefs serve: %w", err)
	}
	return made{listens.FindStringSubmatch(p.Output())[1], p.Stop}, nil
}
