package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/hub/api"
	"github.com/assay-gitops/assay/internal/words"
)

// hubKind is a kind of objects of the hub's cluster that can be got.
type hubKind struct {
	name, short string
	aliases     []string
	example     string
	filters     []hubFilter
	// path of the list, and the key that it is under in the answer.
	path, key string
	// many says that the list is of many clusters at once.
	many bool
	// columns of a table; wide ones come last.
	columns, wide []string
	// show are the cells of one object, those of the wide columns included, and the name of it.
	show func(object json.RawMessage) (name string, cells []string, err error)
}

// hubFilter is a filter of a list that is a flag.
type hubFilter struct{ name, usage string }

// asOf are the filters of what a cluster is judged by.
func asOf() []hubFilter {
	return []hubFilter{{"cluster", "those of this `cluster` (default: the hub's own)"}, {"at", "as it was at this `time`: 2026-11-01, 2026-11-01T09:00:00Z, or 24h for a day ago"}}
}

// parameter is what the hub calls a filter, with the value as it wants it.
func (f hubFilter) parameter(kind *hubKind, value string, now time.Time) (name, wanted string, err error) {
	switch {
	case f.name == "cluster" && !kind.many:
		return "clusterName", value, nil
	case f.name == "at" || f.name == "since" || f.name == "until":
		at, err := momentOf(value, now)
		if err != nil {
			return "", "", usageErrorf("--%s %q: give a time such as 2026-11-01 or 2026-11-01T09:00:00Z, or how long ago it was, such as 24h", f.name, value)
		}
		return f.name, at.UTC().Format(time.RFC3339), nil
	}
	return f.name, value, nil
}

// momentOf is a day, a time, or how long ago it was.
func momentOf(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%q is no time", text)
	}
	return now.Add(-ago), nil
}

// shown reads an object and makes its cells.
func shown[T any](cells func(*T) (string, []string)) func(json.RawMessage) (string, []string, error) {
	return func(object json.RawMessage) (string, []string, error) {
		var value T
		if err := json.Unmarshal(object, &value); err != nil {
			return "", nil, fmt.Errorf("read the hub's answer: %w", err)
		}
		name, row := cells(&value)
		return name, row, nil
	}
}

// hubKinds are all of them.
func hubKinds() []hubKind {
	return []hubKind{
		{
			name: "policies", aliases: []string{"policy"}, short: "List the policies of a cluster", path: "/v1/policies", key: "policies",
			example: "  assay get policies --standard weave.standards.soc2\n  assay get policies --mode admission -o wide\n\n  # As they were at a time, in another cluster\n  assay get policies --cluster edge-1 --at 2026-11-01",
			filters: append([]hubFilter{
				{"severity", "only those of this `severity`: low, medium, high; repeatable, as are all filters"}, {"category", "only those of this `category`"},
				{"standard", "only those for the standard with this `id`"}, {"tag", "only those with this `tag`"},
				{"kind", "only those about objects of this `kind`"}, {"mode", "only those that act in this `mode`: audit, admission, tf-admission"},
				{"workspace", "only those of this `tenant`"},
			}, asOf()...),
			columns: []string{"ID", "SEVERITY", "CATEGORY", "ENFORCED", "MODES", "READY", "AGE"}, wide: []string{"LANGUAGE", "KINDS", "NAME", "MESSAGE"},
			show: shown(func(p *api.PolicyObject) (string, []string) {
				trouble := ""
				if p.State.Ready != "True" {
					trouble = p.State.Message
				}
				return p.ObjectName, []string{
					p.ID, p.Severity, p.Category, strconv.FormatBool(p.Enforce), dashed(p.Modes), p.State.Ready, aged(p.CreatedAt),
					p.Language, dashed(p.Targets.Kinds), p.Name, trouble,
				}
			}),
		},
		{
			name: "policysets", aliases: []string{"policyset", "policy-sets"}, short: "List the policy sets of a cluster", path: "/v1/policy-sets", key: "policySets",
			example: "  assay get policysets",
			filters: asOf(),
			columns: []string{"NAME", "MODE", "POLICIES", "READY", "AGE"}, wide: []string{"MESSAGE"},
			show: shown(func(s *api.PolicySet) (string, []string) {
				return s.Name, []string{s.Name, cmp.Or(s.Mode, "-"), strconv.Itoa(s.Policies), s.State.Ready, aged(s.CreatedAt), s.State.Message}
			}),
		},
		{
			name: "policyconfigs", aliases: []string{"policyconfig", "policy-configs"}, short: "List the policy configs of a cluster", path: "/v1/policy-configs", key: "policyConfigs",
			example: "  assay get policyconfigs -o wide",
			filters: asOf(),
			columns: []string{"NAME", "MATCH", "POLICIES", "STATUS", "AGE"}, wide: []string{"MESSAGE"},
			show: shown(func(c *api.PolicyConfigItem) (string, []string) {
				made, err := time.Parse(time.RFC3339, c.Age)
				if err != nil {
					made = time.Time{}
				}
				return c.Name, []string{c.Name, c.Match, strconv.Itoa(c.TotalPolicies), c.Status, aged(made), c.State.Message}
			}),
		},
		{
			name: "exceptions", aliases: []string{"exception", "policyexceptions"}, short: "List the policy exceptions of a cluster", path: "/v1/exceptions", key: "exceptions",
			example: "  assay get exceptions",
			filters: asOf(),
			columns: []string{"NAME", "POLICIES", "EXPIRES", "AGE", "REASON"},
			show: shown(func(x *api.Exception) (string, []string) {
				expires := "never"
				switch {
				case x.Expired:
					expires = "expired"
				case x.Expires != nil:
					expires = x.Expires.Format(time.DateOnly)
				}
				return x.Name, []string{x.Name, dashed(x.Policies), expires, aged(x.CreatedAt), x.Reason}
			}),
		},
		{
			name: "workspaces", aliases: []string{"workspace", "tenants"}, short: "List the workspaces of the hub's cluster", path: "/v1/workspaces", key: "workspaces",
			example: "  assay get workspaces",
			columns: []string{"NAME", "NAMESPACES", "OPEN"},
			show: shown(func(w *api.Workspace) (string, []string) {
				open := "-"
				if w.Open != nil {
					open = strconv.Itoa(*w.Open)
				}
				return w.Name, []string{w.Name, dashed(w.Namespaces), open}
			}),
		},
		{
			name: "standards", aliases: []string{"standard"}, short: "List standards, and what the policies of a cluster do for them", path: "/v1/standards", key: "standards",
			example: "  assay get standards",
			filters: asOf(),
			columns: []string{"ID", "CONTROLS", "POLICIES", "IN FORCE", "OPEN"},
			show: shown(func(s *api.StandardCoverage) (string, []string) {
				open := "-"
				if s.Open != nil {
					open = strconv.Itoa(*s.Open)
				}
				return s.ID, []string{s.ID, strconv.Itoa(len(s.Controls)), strconv.Itoa(len(s.Policies)), strconv.Itoa(s.InForce), open}
			}),
		},
	}
}

// hubRecords are the lists of what was.
func hubRecords() []hubKind {
	cluster := hubFilter{"cluster", "only those of this `cluster`; repeatable"}
	ended := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return aged(*t)
	}
	return []hubKind{
		{
			name: "audits", aliases: []string{"audit"}, short: "List the last full audits of clusters", path: "/v1/audits", key: "items", many: true,
			example: "  assay get audits --cluster edge-1",
			filters: []hubFilter{cluster},
			columns: []string{"CLUSTER", "ID", "TRIGGER", "STARTED", "ENDED", "FAILURES"}, wide: []string{"REQUEST"},
			show: shown(func(a *api.Audit) (string, []string) {
				return a.ClusterName + "/" + a.ID, []string{a.ClusterName, a.ID, a.Trigger, aged(a.Start), ended(a.End), strconv.Itoa(a.Failures), cmp.Or(a.Request, "-")}
			}),
		},
		{
			name: "policyversions", aliases: []string{"policyversion", "policy-versions"}, short: "List what clusters were judged by, and when", path: "/v1/policy-versions", key: "items", many: true,
			example: "  # What changed in the last week\n  assay get policyversions --since 168h\n\n  # A policy, in all its versions\n  assay get policyversions --kind Policy --name shop.replicas",
			filters: []hubFilter{
				cluster, {"kind", "only those of this `kind`: Policy, PolicySet, PolicyConfig, PolicyException; repeatable"}, {"name", "only those of this `name`; repeatable"},
				{"since", "only those that a cluster had at this `time` or later"}, {"until", "only those that a cluster had before this `time`"},
			},
			columns: []string{"CLUSTER", "KIND", "NAME", "BEGAN", "ENDED"}, wide: []string{"ID"},
			show: shown(func(v *api.PolicyVersion) (string, []string) {
				return v.ID, []string{v.ClusterName, v.Kind, v.Name, aged(v.From), ended(v.To), v.ID}
			}),
		},
	}
}

// dashed joins words, - for none.
func dashed(words []string) string { return cmp.Or(strings.Join(words, ","), "-") }

// aged is how old something is, - when it is not known.
func aged(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return strings.TrimSuffix(age(t), " ago")
}

func newGetObjects(env *Env, kind hubKind) *cobra.Command {
	var flags hubFlags
	output := ""
	filters := map[string]*[]string{}
	command := &cobra.Command{
		Use:     kind.name,
		Aliases: kind.aliases,
		Short:   kind.short,
		Long:    kind.short + ", as far as you may see them.\n\nWho you are is what the kubeconfig says, if that has a token or gets one by a plugin; otherwise give --token-file.",
		Example: kind.example,
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			write, ok := map[string]func([]json.RawMessage) error{
				"table": func(all []json.RawMessage) error { return objectsTable(env.Stdout, kind, all, false) },
				"wide":  func(all []json.RawMessage) error { return objectsTable(env.Stdout, kind, all, true) },
				"json":  func(all []json.RawMessage) error { return writeObject(env, "json", all) },
				"yaml":  func(all []json.RawMessage) error { return writeObject(env, "yaml", all) },
				"name":  func(all []json.RawMessage) error { return objectNames(env.Stdout, kind, all) },
			}[output]
			if !ok {
				return badFlag("output", output, getFormats)
			}
			client, err := flags.client(env)
			if err != nil {
				return err
			}
			query := url.Values{}
			for _, filter := range kind.filters {
				for _, value := range *filters[filter.name] {
					name, wanted, err := filter.parameter(&kind, value, time.Now())
					if err != nil {
						return err
					}
					query.Add(name, wanted)
				}
			}
			all, err := client.objects(command.Context(), env, kind, query)
			if err != nil {
				return err
			}
			if len(all) == 0 && (output == "table" || output == "wide") {
				fmt.Fprintln(env.Stderr, "no "+kind.name)
				return nil
			}
			return write(all)
		},
	}
	if len(kind.filters) > 0 {
		section(command, "Filters", func(f *pflag.FlagSet) {
			for _, filter := range kind.filters {
				values := &[]string{}
				filters[filter.name] = values
				f.StringArrayVar(values, filter.name, nil, filter.usage)
			}
		})
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		flags.connection(f)
		f.StringVarP(&output, "output", "o", "table", "`format`: "+strings.Join(getFormats, ", "))
	})
	section(command, "Cluster", flags.cluster.connection)
	complete(command, "output", oneOf(getFormats...))
	return command
}

// objects are all pages of a list. What the hub could not read is told on stderr.
func (c *hubClient) objects(ctx context.Context, env *Env, kind hubKind, query url.Values) ([]json.RawMessage, error) {
	var all []json.RawMessage
	for {
		answer := map[string]json.RawMessage{}
		if err := c.ask(ctx, kind.path+"?"+query.Encode(), &answer); err != nil {
			return nil, err
		}
		var items []json.RawMessage
		var next string
		var faults []api.ListError
		for key, into := range map[string]any{kind.key: &items, "nextPageToken": &next, "next": &next, "errors": &faults} {
			if content, ok := answer[key]; ok {
				if err := json.Unmarshal(content, into); err != nil {
					return nil, fmt.Errorf("read the hub's answer: %s: %w", key, err)
				}
			}
		}
		for _, fault := range faults {
			fmt.Fprintf(env.Stderr, "cluster %s: %s\n", words.OneLine(fault.ClusterName, maxTrouble), words.OneLine(fault.Message, maxTrouble))
		}
		all = append(all, items...)
		if next == "" {
			return all, nil
		}
		query.Set("cursor", next)
	}
}

func objectsTable(to io.Writer, kind hubKind, all []json.RawMessage, wide bool) error {
	columns := kind.columns
	if wide {
		columns = append(columns[:len(columns):len(columns)], kind.wide...)
	}
	w := tabwriter.NewWriter(to, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, strings.Join(columns, "\t"))
	for _, object := range all {
		_, cells, err := kind.show(object)
		if err != nil {
			return err
		}
		cells = cells[:len(columns)]
		for i := range cells {
			cells[i] = words.OneLine(cells[i], maxTrouble)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

func objectNames(to io.Writer, kind hubKind, all []json.RawMessage) error {
	for _, object := range all {
		name, _, err := kind.show(object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(to, kind.name+"/"+name); err != nil {
			return fmt.Errorf("write the names: %w", err)
		}
	}
	return nil
}
