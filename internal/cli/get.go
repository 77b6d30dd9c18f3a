package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/assay-gitops/assay/internal/hub/api"
	"github.com/assay-gitops/assay/internal/words"
)

// hubPage is how many violations are asked for at once.
const hubPage = 500

// getFlags say which violations are got, and from where.
type getFlags struct {
	hubFlags
	output  string
	limit   int
	watch   bool
	filters map[string]*[]string
}

// getFilters are the filters of the hub that are flags, with what each is.
var getFilters = [...]struct{ name, usage string }{
	{"cluster", "only those of this `cluster`; repeatable, as are all filters"},
	{"namespace", "only those about objects in this `namespace`"},
	{"workspace", "only those of this `tenant`"},
	{"app", "only those about objects that this Flux object applies: `KIND/NAMESPACE/NAME`"},
	{"kind", "only those about objects of this `kind`"},
	{"name", "only those about objects of this `name`"},
	{"policy", "only those of the policy with this `id`"},
	{"category", "only those of policies of this `category`"},
	{"severity", "only those of policies of this `severity`: low, medium, high"},
	{"standard", "only those of policies for the standard with this `id`"},
	{"gate", "only those found by this `gate`: admission, audit, terraform"},
	{"exception", "only those that the PolicyException of this `name` accepts, with --status excepted"},
	{"status", "only those with this `status`: open, resolved, excepted (default open)"},
}

var getFormats = []string{"table", "wide", "json", "yaml", "name"}

func newGet(env *Env) *cobra.Command {
	command := &cobra.Command{
		Use:     "get",
		GroupID: groupCluster,
		Short:   "Ask the hub what is known of one cluster or many",
		Long: `Get asks the hub: what violates policies, in one cluster or many, which policies, sets, configs, exceptions and standards they are
judged by, now or at a time that was, which full audits there were, and which workspaces the hub's own cluster has. What you may see is what the
hub's cluster lets you.`,
		Example: `  assay get violations --hub https://hub.example.com
  ASSAY_HUB=https://hub.example.com assay get policies --severity high -o wide`,
		Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(command, args[0])
			}
			return command.Help()
		},
	}
	command.AddCommand(newGetViolations(env))
	for _, kind := range slices.Concat(hubKinds(), hubRecords()) {
		command.AddCommand(newGetObjects(env, kind))
	}
	return command
}

func newGetViolations(env *Env) *cobra.Command {
	flags := getFlags{filters: map[string]*[]string{}}
	command := &cobra.Command{
		Use:   "violations",
		Short: "List violations that the hub knows, the last seen first",
		Long: `Violations lists the violations that the hub knows and that you may see, the last seen first. With --watch it goes on and shows
those that are opened, change or are resolved, until it is interrupted.

Who you are is what the kubeconfig says, if that has a token or gets one by a plugin; otherwise give --token-file.`,
		Example: `  export ASSAY_HUB=https://hub.example.com
  assay get violations --severity high

  # What is wrong with an application, in all clusters
  assay get violations --app Kustomization/flux-system/shop -o wide

  # What happens in a namespace, an object of JSON a line
  assay get violations --namespace shop --watch -o json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return flags.run(command.Context(), env) },
	}
	section(command, "Filters", func(f *pflag.FlagSet) {
		for _, filter := range getFilters {
			values := &[]string{}
			flags.filters[filter.name] = values
			f.StringArrayVar(values, filter.name, nil, filter.usage)
		}
	})
	section(command, "Flags", func(f *pflag.FlagSet) {
		flags.connection(f)
		f.StringVarP(&flags.output, "output", "o", "table", "`format`: "+strings.Join(getFormats, ", "))
		f.IntVar(&flags.limit, "limit", 0, "`most` that are listed (default: all)")
		f.BoolVarP(&flags.watch, "watch", "w", false, "show changes as they happen; json is an object a line then")
	})
	section(command, "Cluster", flags.cluster.connection)
	complete(command, "output", oneOf(getFormats...))
	complete(command, "severity", oneOf("low", "medium", "high"))
	complete(command, "gate", oneOf("admission", "audit", "terraform"))
	complete(command, "status", oneOf("open", "resolved", "excepted"))
	return command
}

func (f *getFlags) run(ctx context.Context, env *Env) error {
	write, ok := map[string]func(io.Writer, []api.Violation) error{
		"table": func(w io.Writer, all []api.Violation) error { return violationsTable(w, all, false) },
		"wide":  func(w io.Writer, all []api.Violation) error { return violationsTable(w, all, true) },
		"json":  func(_ io.Writer, all []api.Violation) error { return writeObject(env, "json", all) },
		"yaml":  func(_ io.Writer, all []api.Violation) error { return writeObject(env, "yaml", all) },
		"name":  violationNames,
	}[f.output]
	if !ok {
		return badFlag("output", f.output, getFormats)
	}
	if f.limit < 0 {
		return usageErrorf("--limit must not be negative")
	}
	if f.watch && f.limit > 0 {
		return usageErrorf("--limit and --watch do not go together")
	}
	client, err := f.client(env)
	if err != nil {
		return err
	}
	if f.watch {
		return f.watcher(env, client, pauses).run(ctx)
	}
	all, err := f.violations(ctx, client)
	if err != nil {
		return err
	}
	if len(all) == 0 && (f.output == "table" || f.output == "wide") {
		fmt.Fprintln(env.Stderr, "no violations")
		return nil
	}
	return write(env.Stdout, all)
}

func (f *getFlags) watcher(env *Env, client *hubClient, pause func(int) time.Duration) *watch {
	return &watch{
		client: client, filter: f.query(), write: watchers(f.output, env.Stdout), stderr: env.Stderr, pause: pause,
		list: func(ctx context.Context) ([]api.Violation, error) { return f.violations(ctx, client) },
	}
}

// query is what the filters mean.
func (f *getFlags) query() url.Values {
	query := url.Values{}
	for name, values := range f.filters {
		for _, value := range *values {
			query.Add(name, value)
		}
	}
	if !query.Has("status") {
		query.Set("status", "open")
	}
	return query
}

// violations are all pages.
func (f *getFlags) violations(ctx context.Context, client *hubClient) ([]api.Violation, error) {
	query := f.query()
	var all []api.Violation
	for {
		page := hubPage
		if f.limit > 0 {
			page = min(page, f.limit-len(all))
		}
		query.Set("limit", strconv.Itoa(page))
		var answer struct {
			Items []api.Violation `json:"items"`
			Next  string          `json:"next"`
		}
		if err := client.ask(ctx, "/v1/violations?"+query.Encode(), &answer); err != nil {
			return nil, err
		}
		all = append(all, answer.Items...)
		if answer.Next == "" || f.limit > 0 && len(all) >= f.limit {
			return all, nil
		}
		query.Set("cursor", answer.Next)
	}
}

// violationsTable is made as kubectl's: a header, and a line for each.
func violationsTable(to io.Writer, all []api.Violation, wide bool) error {
	w := tabwriter.NewWriter(to, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, strings.Join(violationColumns(wide), "\t"))
	for i := range all {
		fmt.Fprintln(w, strings.Join(violationCells(&all[i], wide), "\t"))
	}
	return w.Flush()
}

func violationColumns(wide bool) []string {
	columns := []string{"SEVERITY", "STATUS", "GATE", "CLUSTER", "NAMESPACE", "OBJECT", "POLICY", "LAST SEEN"}
	if wide {
		columns = append(columns, "FIRST SEEN", "COUNT", "APPLICATION", "REVISION", "MESSAGE")
	}
	return columns
}

func violationCells(v *api.Violation, wide bool) []string {
	cells := []string{
		v.Policy.Severity, v.Status, v.Gate, v.Cluster, v.Object.Namespace, strings.ToLower(v.Object.Kind) + "/" + v.Object.Name, v.Policy.ID, age(v.LastSeen),
	}
	if wide {
		app, revision := "", ""
		if v.App != nil {
			app, revision = v.App.Kind+"/"+v.App.Namespace+"/"+v.App.Name, v.App.Revision
		}
		cells = append(cells, age(v.FirstSeen), strconv.Itoa(v.Count), app, revision, v.Message)
	}
	for i := range cells {
		// Names come from other clusters, whose API servers may not be what they seem.
		cells[i] = words.OneLine(cells[i], maxTrouble)
	}
	return cells
}

func age(t time.Time) string { return duration.HumanDuration(time.Since(t)) + " ago" }

func violationNames(to io.Writer, all []api.Violation) error {
	for i := range all {
		if _, err := fmt.Fprintln(to, "violation/"+all[i].ID); err != nil {
			return fmt.Errorf("write the names: %w", err)
		}
	}
	return nil
}
