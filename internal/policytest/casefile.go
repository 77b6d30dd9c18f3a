package policytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
	sigsyaml "sigs.k8s.io/yaml"
)

// testCase says what a policy must find in an object.
type testCase struct {
	// Name says in a sentence what the case is about.
	Name string `json:"name"`
	// Policy is the id of the policy, where the folder holds several.
	Policy string `json:"policy,omitempty"`
	// Object that is judged. Exactly one of Object and Pod is given.
	Object map[string]any `json:"object,omitempty"`
	// Pod (metadata and spec) that is tried as each kind that contains a pod and that the policy targets.
	Pod map[string]any `json:"pod,omitempty"`
	// Kinds limit those in which Pod is tried.
	Kinds []string `json:"kinds,omitempty"`
	// Parameters override those of the policy.
	Parameters map[string]any `json:"parameters,omitempty"`
	// Namespace is the Namespace object that the object lives in.
	Namespace map[string]any `json:"namespace,omitempty"`
	// Operation, OldObject and User of the request.
	Operation string         `json:"operation,omitempty"`
	OldObject map[string]any `json:"oldObject,omitempty"`
	User      *user          `json:"user,omitempty"`
	// Violations are all that the policy must find; none means that it must find nothing.
	Violations []expectation `json:"violations,omitempty"`
	// Applies is false when the policy must not judge the object at all.
	Applies *bool `json:"applies,omitempty"`

	// someViolation stands for any violations, at least one.
	someViolation bool
	// line of the file where the case begins; 0 when unknown.
	line int
}

type user struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups,omitempty"`
}

// expectation is one violation. What it leaves out may be anything.
type expectation struct {
	Path    *string `json:"path,omitempty"`
	Message *string `json:"message,omitempty"`
	// RecommendedValue is JSON; null stands for none, nil for anything.
	RecommendedValue json.RawMessage `json:"recommendedValue,omitempty"`
}

// maxTestFile bounds what is read of a test file.
const maxTestFile = 4 << 20

// readCases reads the cases of a file, which is one document with a list of cases. found is false for other files, which
// hold manifests.
func readCases(content []byte) (cases []testCase, found bool, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		// What does not parse is reported by whoever reads the manifests.
		return nil, false, nil
	}
	list := caseList(&first)
	if list == nil {
		return nil, false, nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, true, errors.New("a file with cases must be one YAML document")
	}
	cases, err = decodeCases(content, list)
	return cases, true, err
}

// caseList is the list of cases of a document; nil when it has none.
func caseList(document *yaml.Node) *yaml.Node {
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil
	}
	entries := document.Content[0].Content
	for i := 0; i+1 < len(entries); i += 2 {
		if entries[i].Value == "cases" {
			return entries[i+1]
		}
	}
	return nil
}

func decodeCases(content []byte, list *yaml.Node) ([]testCase, error) {
	asJSON, err := sigsyaml.YAMLToJSONStrict(content)
	if err != nil {
		return nil, err
	}
	var file struct {
		Cases []testCase `json:"cases"`
	}
	strictErrs, err := kjson.UnmarshalStrict(asJSON, &file, kjson.DisallowUnknownFields, kjson.DisallowDuplicateFields)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", list.Line, err)
	}
	if len(strictErrs) > 0 {
		return nil, fmt.Errorf("line %d: %w", lineOf(strictErrs[0], list), strictErrs[0])
	}
	for i := range file.Cases {
		c := &file.Cases[i]
		c.line = list.Content[i].Line
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", c.line, err)
		}
	}
	return file.Cases, nil
}

var caseIndex = regexp.MustCompile(`cases\[(\d+)\]`)

// lineOf is the line of the case that an error speaks of.
func lineOf(err error, list *yaml.Node) int {
	if match := caseIndex.FindStringSubmatch(err.Error()); match != nil {
		if i, err := strconv.Atoi(match[1]); err == nil && i < len(list.Content) {
			return list.Content[i].Line
		}
	}
	return list.Line
}

func (c *testCase) check() error {
	switch {
	case c.Name == "":
		return errors.New("the case has no name: say in a sentence what it is about")
	case (c.Object == nil) == (c.Pod == nil):
		return fmt.Errorf("case %q: give either object or pod", c.Name)
	case c.Object != nil && len(c.Kinds) > 0:
		return fmt.Errorf("case %q: kinds belongs to pod; an object has its own kind", c.Name)
	case c.Applies != nil && !*c.Applies && len(c.Violations) > 0:
		return fmt.Errorf("case %q: a policy that does not apply finds no violations", c.Name)
	}
	return nil
}
