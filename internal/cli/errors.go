package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/suggest"
)

// usageError is a command line that makes no sense.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Hint says what to do; may be empty.
func (e *usageError) Hint() string { return e.hint }

func usageErrorf(format string, args ...any) *usageError {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// badFlag says that a flag does not take the value.
func badFlag(flag, value string, values []string) error {
	e := usageErrorf("--%s %q: must be one of %s", flag, value, strings.Join(values, ", "))
	if nearest := suggest.Nearest(value, values); len(nearest) > 0 {
		e.hint = "did you mean " + nearest[0] + "?"
	}
	return e
}

// flagError makes cobra's complaint about a flag one of ours, with what may have been meant.
func flagError(command *cobra.Command, err error) error {
	e := &usageError{err: err}
	name, found := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !found {
		return e
	}
	e.err = fmt.Errorf("unknown flag --%s", name)
	var names []string
	command.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	slices.Sort(names)
	if nearest := suggest.Nearest(name, names); len(nearest) > 0 {
		e.hint = "did you mean --" + nearest[0] + "?"
	}
	return e
}

// noArguments refuses arguments of a command that takes none.
func noArguments(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageErrorf("%s takes no arguments, got %q", command.CommandPath(), args[0])
	}
	return nil
}

// oneArgument demands exactly one.
func oneArgument(what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usageErrorf("%s needs %s", command.CommandPath(), what)
		case 1:
			return nil
		}
		return usageErrorf("%s takes one argument, got %d", command.CommandPath(), len(args))
	}
}
