package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/hub/store/sqlite"
)

func newHubBackup(env *Env) *cobra.Command {
	var dir, output string
	command := &cobra.Command{
		Use:   "backup",
		Short: "Copy the hub's database, while the hub goes on",
		Long: `Backup writes a copy of the hub's database to a file, as it is at one moment, and checks nothing else. The hub may run on the
same machine meanwhile: it goes on. A file that exists is never replaced.

To go back to it, stop the hub, remove hub.db, hub.db-wal and hub.db-shm from its folder, put the file there as hub.db, and
start the hub.`,
		Example: `  assay hub backup --data-dir /var/lib/assay/hub --output /backup/hub.db`,
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if output == "" {
				return usageErrorf("--output is missing: name the file of the backup")
			}
			began := time.Now()
			size, err := sqlite.Backup(command.Context(), dir, output)
			switch {
			case errors.Is(err, fs.ErrExist):
				return usageErrorf("--output %q exists, and a backup replaces nothing", output)
			case errors.Is(err, sqlite.ErrNoStore):
				return usageErrorf("--data-dir %q: %v", dir, err)
			case err != nil:
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "%s: %.1f MiB in %s\n", output, float64(size)/(1<<20), time.Since(began).Round(time.Millisecond))
			return err
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&dir, "data-dir", "/var/lib/assay/hub", "`folder` of the hub's database")
		f.StringVar(&output, "output", "", "`file` to write, which must not exist")
	})
	return command
}
