package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sectionAnnotation on a flag names the section of the help that it stands in.
const sectionAnnotation = "assay.section"

// section adds flags to a command under a heading of their own in its help.
func section(command *cobra.Command, title string, define func(flags *pflag.FlagSet)) {
	flags := pflag.NewFlagSet(title, pflag.ContinueOnError)
	flags.SortFlags = false
	define(flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[sectionAnnotation] = []string{title}
	})
	command.Flags().SortFlags = false
	command.Flags().AddFlagSet(flags)
}

// help writes what a command is for and how it is used.
func help(command *cobra.Command, _ []string) {
	w := command.OutOrStdout()
	text := command.Long
	if text == "" {
		text = command.Short
	}
	fmt.Fprintf(w, "%s\n", strings.TrimSpace(text))
	if command.IsAdditionalHelpTopicCommand() {
		return
	}
	fmt.Fprintln(w)
	writeUsage(w, command)
}

func usage(command *cobra.Command) error {
	writeUsage(command.OutOrStderr(), command)
	return nil
}

// hasSections tells whether a command has flags of its own: a group has when it does something by itself.
func hasSections(command *cobra.Command) bool {
	found := false
	command.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { found = found || f.Annotations[sectionAnnotation] != nil })
	return found
}

func writeUsage(w io.Writer, command *cobra.Command) {
	fmt.Fprintf(w, "Usage:\n")
	group := command.HasAvailableSubCommands()
	if !group || hasSections(command) {
		fmt.Fprintf(w, "  %s\n", command.UseLine())
	}
	if group {
		fmt.Fprintf(w, "  %s COMMAND\n", command.CommandPath())
	}
	if command.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", command.Example)
	}
	writeCommands(w, command)
	writeFlags(w, command)
	if command.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nUse `%s COMMAND --help` for more about a command.\n", command.CommandPath())
	}
}

func writeCommands(w io.Writer, command *cobra.Command) {
	width := 0
	groups := append(slices.Clone(command.Groups()), &cobra.Group{Title: "Other commands:"}, &cobra.Group{ID: "topic", Title: "Topics:"})
	members := map[string][]*cobra.Command{}
	for _, sub := range command.Commands() {
		switch {
		case sub.IsAvailableCommand() || sub.Name() == "help":
			members[sub.GroupID] = append(members[sub.GroupID], sub)
		case sub.IsAdditionalHelpTopicCommand() && !sub.Hidden:
			members["topic"] = append(members["topic"], sub)
		default:
			continue
		}
		width = max(width, len(sub.Name()))
	}
	for _, group := range groups {
		if len(members[group.ID]) == 0 {
			continue
		}
		title := group.Title
		if len(members) == 1 {
			title = "Commands:"
		}
		fmt.Fprintf(w, "\n%s\n", title)
		for _, sub := range members[group.ID] {
			fmt.Fprintf(w, "  %-*s   %s\n", width, sub.Name(), sub.Short)
		}
	}
}

// writeFlags writes the flags of a command by their sections, and those of its parents last.
func writeFlags(w io.Writer, command *cobra.Command) {
	sections := map[string]*pflag.FlagSet{}
	var titles []string
	add := func(title string, flag *pflag.Flag) {
		if sections[title] == nil {
			sections[title] = pflag.NewFlagSet(title, pflag.ContinueOnError)
			sections[title].SortFlags = false
			titles = append(titles, title)
		}
		sections[title].AddFlag(flag)
	}
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if in := flag.Annotations[sectionAnnotation]; len(in) == 1 && !flag.Hidden {
			add(in[0], flag)
		}
	})
	general := func(flag *pflag.Flag) {
		if len(flag.Annotations[sectionAnnotation]) == 0 && !flag.Hidden {
			add("Flags", flag)
		}
	}
	command.LocalFlags().VisitAll(general)
	command.InheritedFlags().VisitAll(general)
	for _, title := range titles {
		fmt.Fprintf(w, "\n%s:\n%s\n", title, strings.TrimRight(sections[title].FlagUsagesWrapped(helpWidth), "\n"))
	}
}

// helpWidth is how wide the explanations of flags are at most.
const helpWidth = 110
