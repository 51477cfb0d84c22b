package nginx

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// Origin is the locations that serve what WriteOrigin has written to a directory.
func Origin(dir string) string {
	return fmt.Sprintf(`
		location = /list {
			default_type application/json;
			if ($args ~ "^next-marker=(?<page>[0-9]+)$") { rewrite ^ /pages/$page.json last; }
			rewrite ^ /pages/0.json last;
		}
		location /pages/ { internal; root "%[1]s"; }
		location /get/ { alias "%[1]s/files/"; }`, dir)
}

// WriteOrigin writes each file of a source to dir/files, and the pages that list
// them to dir/pages.
func WriteOrigin(ctx context.Context, dir string, source *serve.Synthetic) error {
	for _, sub := range []string{"files", "pages"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	var page struct {
		FileNames []string
		NextFile  string `json:",omitempty"`
	}
	for i := range source.Len() {
		name := source.Name(i)
		if err := os.WriteFile(filepath.Join(dir, "files", name), source.Body(i), 0o644); err != nil {
			return err
		}
		page.FileNames = append(page.FileNames, name)
		if len(page.FileNames) < serve.DefaultPageSize && i+1 < source.Len() {
			continue
		}
		if page.NextFile = ""; i+1 < source.Len() {
			page.NextFile = strconv.FormatInt(i+1, 10)
		}
		text, err := json.Marshal(page)
		if err != nil {
			return err
		}
		first := i + 1 - int64(len(page.FileNames))
		if err := os.WriteFile(filepath.Join(dir, "pages", fmt.Sprintf("%d.json", first)), text, 0o644); err != nil {
			return err
		}
		if page.FileNames = page.FileNames[:0]; ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
