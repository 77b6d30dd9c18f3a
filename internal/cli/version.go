package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newVersion(env *Env) *cobra.Command {
	var format string
	formats := []string{"text", "json", "yaml"}
	command := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Version prints the version of Assay, and what it was built with and for.",
		Example: `  assay version
  assay version -o json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{
				"version": env.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
			}
			switch format {
			case "text":
				_, err := fmt.Fprintf(env.Stdout, "assay %s (%s, %s)\n", v["version"], v["go"], v["platform"])
				return err
			case "json", "yaml":
				return writeObject(env, format, v)
			}
			return badFlag("output", format, formats)
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVarP(&format, "output", "o", "text", "`format`: text, json or yaml")
	})
	complete(command, "output", oneOf(formats...))
	return command
}
