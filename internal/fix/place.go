package fix

import (
	"errors"
	"fmt"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

func kindOf(content map[string]any) string {
	kind, _ := content["kind"].(string)
	return kind
}

// place is where in the object a path leads, whether there is something or not. The error says why nothing may be written
// there.
func place(object map[string]any, path policy.Path, kind string) (policy.Path, error) {
	resolved, present := path.Resolve(object)
	if err := writable(resolved); err != nil {
		return nil, err
	}
	if owner := textMap(resolved, kind); owner >= 0 {
		if present < len(resolved) && owner < len(resolved)-2 {
			return joined(resolved, owner), nil
		}
		return resolved, nil
	}
	// No field of Kubernetes has a slash in its name, but many keys of maps do. Where such a key was taken apart at its
	// dots and nothing tells where it begins, maps with the pieces as keys would be made.
	for i := present + 1; i < len(resolved); i++ {
		if key := resolved[i].Key; strings.Contains(key, "/") && !strings.Contains(key, ".") && !resolved[i-1].IsIndex {
			return nil, fmt.Errorf("it is not clear where the key that ends in %q begins: write it in brackets and quotes", key)
		}
	}
	return resolved, nil
}

// textMap is the index of the step to a map from arbitrary keys to texts or quantities, such as labels, that the path leads
// to or into; -1 when there is none.
func textMap(path policy.Path, kind string) int {
	for i, step := range path {
		above := ""
		if i > 0 {
			above = path[i-1].Key
		}
		switch step.Key {
		case "labels", "annotations":
			if above == "metadata" {
				return i
			}
		case "matchLabels", "nodeSelector":
			return i
		case "limits", "requests":
			if above == "resources" {
				return i
			}
		case "hard":
			if kind == "ResourceQuota" {
				return i
			}
		case "data", "stringData", "binaryData":
			if i == 0 && (kind == "ConfigMap" || kind == "Secret") {
				return i
			}
		}
	}
	return -1
}

// joined takes the keys after a map as one key: its values have no fields.
func joined(path policy.Path, owner int) policy.Path {
	keys := make([]string, 0, len(path)-owner-1)
	for _, step := range path[owner+1:] {
		if step.IsIndex {
			return path
		}
		keys = append(keys, step.Key)
	}
	return append(path[:owner+1:owner+1], policy.Key(strings.Join(keys, ".")))
}

// writable says why what is at a path is not for policies to write; nil when it is.
func writable(path policy.Path) error {
	switch path[0].Key {
	case "apiVersion", "kind":
		return fmt.Errorf("%s says what the object is and is never changed", path[0].Key)
	case "status":
		return errors.New("status belongs to the object's controller and is never changed")
	case "metadata":
		if len(path) == 1 {
			return errors.New("metadata as a whole is never changed: recommend values for fields in it")
		}
		switch path[1].Key {
		case "labels", "annotations", "finalizers":
			return nil
		}
		return fmt.Errorf("%s says which object it is and is never changed", path[:2])
	}
	return nil
}

// fits says why a value must not be at a path though it could be written: an object with labels that are no texts is refused
// by the API server, and a violation would have become an outage.
func fits(path policy.Path, value any, kind string) error {
	owner := textMap(path, kind)
	if owner < 0 || path[owner].Key != "labels" && path[owner].Key != "annotations" {
		return nil
	}
	if owner == len(path)-1 {
		values, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%s must be a map of texts", path)
		}
		for _, each := range values {
			if _, ok := each.(string); !ok {
				return fmt.Errorf("%s must be a map of texts", path)
			}
		}
		return nil
	}
	if _, ok := value.(string); !ok || len(path) > owner+2 {
		return fmt.Errorf("%s must be a map of texts", path[:owner+1])
	}
	return nil
}

// lookup is what is at a path. A null is nothing.
func lookup(object any, path policy.Path) (value any, exists bool) {
	for _, step := range path {
		switch in := object.(type) {
		case map[string]any:
			if step.IsIndex {
				return nil, false
			}
			object = in[step.Key]
		case []any:
			if !step.IsIndex || step.Index >= len(in) {
				return nil, false
			}
			object = in[step.Index]
		default:
			return nil, false
		}
	}
	return object, object != nil
}

// set puts a value where path[at:] leads from node and returns the node that then stands in node's place. Nothing has been
// changed when it fails.
func set(node any, path policy.Path, at int, value any) (any, error) {
	if at == len(path) {
		return value, nil
	}
	step := path[at]
	switch in := node.(type) {
	case nil:
		if step.IsIndex {
			return setElement(nil, path, at, value)
		}
		below, err := set(nil, path, at+1, value)
		if err != nil {
			return nil, err
		}
		return map[string]any{step.Key: below}, nil
	case map[string]any:
		if step.IsIndex {
			return nil, fmt.Errorf("%s is a map and has no element %d", name(path[:at]), step.Index)
		}
		below, err := set(in[step.Key], path, at+1, value)
		if err != nil {
			return nil, err
		}
		in[step.Key] = below
		return in, nil
	case []any:
		return setElement(in, path, at, value)
	default:
		return nil, fmt.Errorf("%s is neither a map nor a list: there is nothing below it", name(path[:at]))
	}
}

func setElement(list []any, path policy.Path, at int, value any) (any, error) {
	step := path[at]
	last := at == len(path)-1
	switch {
	case !step.IsIndex:
		return nil, fmt.Errorf("%s is a list and has no field %q", name(path[:at]), step.Key)
	case step.Index == len(list) && last:
		return append(list, value), nil
	case step.Index >= len(list):
		return nil, fmt.Errorf("%s has %d elements, none with index %d", name(path[:at]), len(list), step.Index)
	}
	below, err := set(list[step.Index], path, at+1, value)
	if err != nil {
		return nil, err
	}
	list[step.Index] = below
	return list, nil
}

func name(path policy.Path) string {
	if len(path) == 0 {
		return "the object"
	}
	return path.String()
}
