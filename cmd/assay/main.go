// Command assay is trusted delivery for GitOps on the command line.
package main

import (
	"os"

	"github.com/assay-gitops/assay/internal/cli"
)

// version is set by the linker for a release; see the Makefile.
var version string

func main() { os.Exit(cli.Process(version)) }
