package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/cmd/internal/nginx"
)

// origin is what the contenders ask. All origins serve the first files of one and
// the same source, in one directory or several.
type origin struct {
	name       string
	set        fileset // what it lists
	shuffles   bool    // can list it in another order
	contenders []contender
	ceiling    string // the contender that the others are held against
	needs      []program
	start      func(ctx context.Context, dir string, j *job) (made, error)
	words      func(ctx context.Context, j *job) ([]string, error) // what its contenders' command lines have beside; nil: nothing
}

// origins are all of them, in the order of the table.
func (b *bench) origins() []*origin {
	small := func(files int64) int64 { return min(b.files, b.scale(files)) }
	motefs := func(flags ...string) func(context.Context, string, *job) (made, error) {
		return func(ctx context.Context, _ string, j *job) (made, error) {
			if j.shuffled {
				flags = append(slices.Clone(flags), "--shuffle")
			}
			return b.startMotefs(ctx, j.source.Len(), flags...)
		}
	}
	return []*origin{
		{name: "nginx", set: fileset{files: small(100_000)}, contenders: contenders(), ceiling: keepAlive, needs: []program{nginxProgram}, start: b.startNginx},
		{name: "serve", set: fileset{files: b.files}, shuffles: true, contenders: contenders(), ceiling: pipelined, start: motefs()},
		{name: "serve --s3", set: fileset{files: b.files}, contenders: s3Contenders(), ceiling: keepAlive, start: motefs("--s3", "--checksums=false"), words: s3Words},
		// It lists large folders slowly.
		{name: "versitygw", set: fileset{files: small(100_000), inDir: 1000}, contenders: s3Contenders(), ceiling: keepAlive, start: b.startVersitygw, words: s3Words},
		{name: "serve --s3, 50 ms away", set: fileset{files: small(200_000)}, contenders: s3Listers(), start: motefs("--s3", "--checksums=false", "--latency", "50ms"), words: s3Words},
	}
}

// mirrorTable is which contenders ask which origins.
func (b *bench) mirrorTable() *table {
	t := &table{
		command: "bench", words: 3,
		columns: []string{"origin", "contender", "keeps", "files", "files/s", "CPU µs a file", "memory", "of the ceiling"},
		notes: fmt.Sprintf(`The origin shares the cores with the contender. Time is the whole process's, its start included; CPU is the contender's
alone; memory is the peak of its largest single process. The ceiling is %q for nginx (stock settings), S3 and
versitygw, and %q, %d deep, for motefs serve, the same files asked for again and again over %d connections; of S3 one
file, by one signed request. The download programs have %d transfers at a time and are given the names; the talk's
approaches and motefs follow the listing, and so do all that ask S3, whose requests are signed.
`, keepAlive, pipelined, pipelineDepth, ceilingConnections, transfers),
	}
	for _, from := range b.origins() {
		var ceiling *row
		for _, c := range from.contenders {
			if c.shuffled && !from.shuffles {
				continue
			}
			r := b.mirrorRow(c, from, &ceiling)
			if c.name == from.ceiling {
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
		if *ceiling == nil || len((*ceiling).samples) == 0 {
			return "–"
		}
		return significant(median(each(samples, ofRate))/median(each((*ceiling).samples, ofRate)), 2)
	}
	return &row{
		name:  c.name + " from " + from.name,
		needs: slices.Concat(from.needs, c.needs),
		left:  []string{from.name, c.name, c.keeps},
		lines: []line{{cells: []cell{files, figure(ofRate, 3, 1, ""), figure(ofCPU, 2, 1, ""), peak, ratio}}},
		prepare: func(ctx context.Context, dir string) (measurement, error) {
			j, err := b.job(ctx, c, from, dir)
			if err != nil {
				return nil, err
			}
			argv, err := j.argv()
			return func(ctx context.Context) ([]float64, error) { return j.measure(ctx, argv) }, err
		},
	}
}

// job is what a contender has to do. The origin is started, once.
func (b *bench) job(ctx context.Context, c contender, from *origin, dir string) (j *job, err error) {
	set := from.set
	files := min(b.scale(c.files), set.files)
	if c.all {
		set.files = files
	}
	j = &job{bench: b, contender: c, source: set.source(c.shuffled), files: files, dir: dir, out: filepath.Join(dir, "out")}
	j.url, err = b.made(fmt.Sprintf("%s-%d-%t", from.name, set.files, c.shuffled), func(dir string) (made, error) {
		return from.start(ctx, dir, j)
	})
	if err == nil && from.words != nil {
		j.words, err = from.words(ctx, j)
	}
	return j, err
}

// startNginx serves the files of a source, each written and read once.
func (b *bench) startNginx(ctx context.Context, dir string, j *job) (made, error) {
	source := j.source
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
var listens = regexp.MustCompile(`(?:origin|S3) at ([^\s,;]+)`)

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
