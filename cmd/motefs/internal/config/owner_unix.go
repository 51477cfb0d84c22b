//go:build unix

package config

import (
	"os"
	"syscall"
)

// belongs reports whether a file is that user's, or root's.
func belongs(info os.FileInfo, user int) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == 0 || int(st.Uid) == user)
}
