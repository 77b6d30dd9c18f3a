package tenancy_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/tenancy"
)

func TestTheSchemaIsThatOfTheDocumentation(t *testing.T) {
	schema, err := tenancy.Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/schemas/tenants.schema.json", schema)
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	content, err := tenancy.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(tenancy.SchemaID, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(tenancy.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, content []byte) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(content)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestTheSchemaTakesWhatIsRead(t *testing.T) {
	schema := compiledSchema(t)
	files, err := filepath.Glob("testdata/*.tenants.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, content); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTheSchemaRefusesWhatIsRefused(t *testing.T) {
	schema := compiledSchema(t)
	for name, file := range map[string]string{
		"an unknown field":  "tenants: [{name: a, namespaces: [a], deploymentRbacs: {}}]",
		"a wrong type":      "tenants: [{name: 5, namespaces: [a]}]",
		"an unknown mode":   "tenants: [{name: a, namespaces: [a], networkPolicy: {mode: closed}}]",
		"an unknown preset": "tenants: [{name: a, namespaces: [a], deploymentRBAC: {preset: root}}]",
		"a missing url":     "tenants: [{name: a, namespaces: [a], allowedRepositories: [{kind: GitRepository}]}]",
	} {
		if validate(t, schema, []byte(file)) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
		if _, err := read(file, tenancy.Options{}); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}
