package elastic_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/sink/elastic"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
)

var update = flag.Bool("update", false, "write deploy/search/index-template*.json")

// index is the name that the files in deploy/search are made for.
const index = "assay"

func shipped(name string) string { return filepath.Join("..", "..", "..", "deploy", "search", name) }

func TestTheTemplatesThatShipAreTheSinks(t *testing.T) {
	for name, lifecycle := range map[string]bool{"index-template.json": false, "index-template-ilm.json": true} {
		template, err := elastic.IndexTemplate(index)
		if err != nil {
			t.Fatal(err)
		}
		if lifecycle {
			template["template"].(map[string]any)["settings"].(map[string]any)["index.lifecycle.name"] = index
		}
		want, err := json.MarshalIndent(template, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		if *update {
			if err := os.WriteFile(shipped(name), want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := readFile(t, shipped(name)); got != string(want) {
			t.Errorf("%s differs from what the sink puts: go test ./internal/sink/elastic -update", name)
		}
	}
}

// Neither server has its lifecycle management where tests run, so what is known of the policies is that they are JSON, about
// the right indexes, and delete.
func TestThePoliciesThatShipAreAboutTheSinksIndexes(t *testing.T) {
	var ism struct {
		Policy struct {
			States []struct {
				Name    string
				Actions []map[string]any
			}
			Template []struct {
				Patterns []string `json:"index_patterns"`
			} `json:"ism_template"`
		}
	}
	var ilm struct {
		Policy struct {
			Phases struct {
				Delete struct {
					MinAge  string `json:"min_age"`
					Actions map[string]any
				}
			}
		}
	}
	for name, into := range map[string]any{"ism-policy.json": &ism, "ilm-policy.json": &ilm} {
		if err := json.Unmarshal([]byte(readFile(t, shipped(name))), into); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(ism.Policy.Template) != 1 || len(ism.Policy.States) != 2 || ism.Policy.States[1].Actions[0]["delete"] == nil {
		t.Fatalf("%+v", ism)
	}
	for name, want := range map[string]bool{index + time.Now().Format("-2006.01"): true, index: false} {
		if got, err := path.Match(ism.Policy.Template[0].Patterns[0], name); err != nil || got != want {
			t.Errorf("the ISM policy is about %s: %t, %v", name, got, err)
		}
	}
	if ilm.Policy.Phases.Delete.MinAge != "120d" || ilm.Policy.Phases.Delete.Actions["delete"] == nil {
		t.Errorf("%+v", ilm)
	}
}

// savedObject is a line of a file that Kibana and OpenSearch Dashboards import.
type savedObject struct {
	Type, ID   string
	References []struct{ Name, Type, ID string }
	Attributes struct {
		Title, TimeFieldName, VisState, PanelsJSON string
		Columns                                    []string
		Sort                                       [][2]string
		KibanaSavedObjectMeta                      struct{ SearchSourceJSON string }
	}
}

// aggregation of a visualization.
type aggregation struct {
	Type   string
	Params struct{ Field string }
}

func savedObjects(t *testing.T) (all []savedObject) {
	t.Helper()
	for line := range bytes.Lines([]byte(readFile(t, shipped("dashboards.ndjson")))) {
		var o savedObject
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func aggregations(t *testing.T, o savedObject) []aggregation {
	t.Helper()
	var state struct{ Aggs []aggregation }
	if o.Type == "visualization" {
		if err := json.Unmarshal([]byte(o.Attributes.VisState), &state); err != nil {
			t.Fatalf("%s: %v", o.ID, err)
		}
	}
	return state.Aggs
}

func TestDashboardsUseFieldsOfTheMapping(t *testing.T) {
	template, err := elastic.IndexTemplate(index)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	fieldTypes(template["template"].(map[string]any)["mappings"].(map[string]any), "", types)
	objects := savedObjects(t)
	known := map[string]bool{}
	for _, o := range objects {
		known[o.Type+"/"+o.ID] = true
	}
	fields := 0
	use := func(o savedObject, field string, kinds ...string) {
		fields++
		if !slices.Contains(kinds, types[field]) {
			t.Errorf("%s uses the field %s of type %q", o.ID, field, types[field])
		}
	}
	for _, o := range objects {
		for _, reference := range o.References {
			if !known[reference.Type+"/"+reference.ID] {
				t.Errorf("%s refers to %s %s, which is not in the file", o.ID, reference.Type, reference.ID)
			}
		}
		for _, a := range aggregations(t, o) {
			switch a.Type {
			case "count":
			case "date_histogram":
				use(o, a.Params.Field, "date")
			default:
				use(o, a.Params.Field, "keyword")
			}
		}
		for _, column := range o.Attributes.Columns {
			use(o, column, "keyword", "date", "boolean")
		}
		for _, sort := range o.Attributes.Sort {
			use(o, sort[0], "date")
		}
		if o.Type == "index-pattern" {
			use(o, o.Attributes.TimeFieldName, "date")
		}
		var source struct{ Query struct{ Query string } }
		if text := o.Attributes.KibanaSavedObjectMeta.SearchSourceJSON; text != "" {
			if err := json.Unmarshal([]byte(text), &source); err != nil {
				t.Errorf("%s: %v", o.ID, err)
			}
		}
		if field, _, found := strings.Cut(source.Query.Query, " :"); found {
			use(o, field, "keyword")
		}
		if o.Type == "dashboard" {
			var panels []struct{ PanelRefName string }
			if err := json.Unmarshal([]byte(o.Attributes.PanelsJSON), &panels); err != nil || len(panels) != len(o.References) {
				t.Errorf("the dashboard has %d panels and %d references: %v", len(panels), len(o.References), err)
			}
		}
	}
	if fields < 20 {
		t.Errorf("only %d fields were found in the dashboards", fields)
	}
}

// The servers answer what the visualizations ask, with something in each.
func TestDashboardsHaveSomethingToShow(t *testing.T) {
	onEach(t, func(t *testing.T, address, index string) {
		send(t, newSink(t, elastic.Options{Address: address, Index: index}), sinktest.Result(1), sinktest.Result(2))
		call(t, http.MethodPost, address+"/"+index+"/_refresh", "", nil)
		for _, o := range savedObjects(t) {
			for _, a := range aggregations(t, o) {
				interval := ""
				switch a.Type {
				case "count":
					continue
				case "date_histogram":
					interval = `,"fixed_interval":"1d"`
				}
				var answer struct {
					Aggregations map[string]struct {
						Buckets []struct {
							Count int `json:"doc_count"`
						}
					}
				}
				call(t, http.MethodPost, address+"/"+index+"/_search",
					fmt.Sprintf(`{"size":0,"query":{"term":{"status":"Violation"}},"aggs":{"a":{%q:{"field":%q%s}}}}`, a.Type, a.Params.Field, interval), &answer)
				total := 0
				for _, bucket := range answer.Aggregations["a"].Buckets {
					total += bucket.Count
				}
				if total != 2 {
					t.Errorf("%s finds %d documents by %s", o.ID, total, a.Params.Field)
				}
			}
		}
	})
}
