package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newDocs writes the manual from the help texts. It is for packagers, who find it in CONTRIBUTING.md, and hidden from the
// help.
func newDocs(env *Env) *cobra.Command {
	formats := map[string]func(root *cobra.Command, dir string) error{
		"man": func(root *cobra.Command, dir string) error {
			// The date is a constant, so that the same sources give the same pages.
			date := time.Unix(0, 0).UTC()
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "assay " + env.Version, Manual: "Assay", Date: &date}, dir)
		},
		"markdown": doc.GenMarkdownTree,
	}
	return &cobra.Command{
		Use:       "docs man|markdown DIR",
		Short:     "Write the manual of all commands into a folder",
		Long:      "Docs writes a page for every command into a folder, as man pages or as Markdown.",
		Example:   "  assay docs man /usr/local/share/man/man1",
		Hidden:    true,
		ValidArgs: []string{"man", "markdown"},
		Args: func(command *cobra.Command, args []string) error {
			if len(args) != 2 || formats[args[0]] == nil {
				return usageErrorf("docs needs a format, man or markdown, and a folder")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[1], 0o755); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			root := command.Root()
			root.DisableAutoGenTag = true
			if err := formats[args[0]](root, args[1]); err != nil {
				return fmt.Errorf("write the manual: %w", err)
			}
			return nil
		},
	}
}
