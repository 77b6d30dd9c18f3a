// Package web holds the user interface as `make web` built it, in the binary. Its sources, in TypeScript, are beside this file.
package web

import (
	"embed"
	"io/fs"
)

// dist has a robots.txt even before anything is built, so that Go can embed it.
//
//go:embed all:dist
var dist embed.FS

// Files are what is served. Without an index.html the user interface was not built.
func Files() (fs.FS, error) { return fs.Sub(dist, "dist") }
