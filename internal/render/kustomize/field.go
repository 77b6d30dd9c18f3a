package kustomize

import (
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// setsField tells whether an entry of the kustomization other than a patch sets the field: replacements, images, replicas,
// labels and annotations.
func (l *layer) setsField(o *Origin, path policy.Path) (policy.Location, bool) {
	for _, find := range []func(*Origin, policy.Path) (policy.Location, bool){
		l.replaces, l.setsImage, l.setsReplicas, l.setsAnnotation, l.setsLabel,
	} {
		if at, ok := find(o, path); ok {
			return at, true
		}
	}
	return policy.Location{}, false
}

// setsIdentity tells whether the kustomization sets the namespace or changes the name.
func (l *layer) setsIdentity(o *Origin, path policy.Path) (policy.Location, bool) {
	switch {
	case path.String() == "metadata.name":
		if isNeverRenamed(&policy.Object{Content: o.content}) {
			break
		}
		if l.spec.NamePrefix != "" {
			return l.at("", policy.Key("namePrefix")), true
		}
		if l.spec.NameSuffix != "" {
			return l.at("", policy.Key("nameSuffix")), true
		}
	// It also goes to the subjects of role bindings and to the services of webhooks.
	case l.spec.Namespace != "" && len(path) > 0 && path[len(path)-1] == policy.Key("namespace") &&
		at(o.content, path) == l.spec.Namespace && (len(path) == 2 || o.inBase(path) != l.spec.Namespace):
		return l.at("", policy.Key("namespace")), true
	}
	return policy.Location{}, false
}

// replacement is one of those that a kustomization has in itself or in a file.
type replacement struct {
	types.Replacement
	// locate is the place of a path in it.
	locate func(...policy.Step) policy.Location
}

func (t *tree) readReplacements(l *layer) []replacement {
	var all []replacement
	for i, r := range l.spec.Replacements {
		if r.Path == "" {
			all = append(all, replacement{r.Replacement, func(path ...policy.Step) policy.Location {
				return l.at("", append([]policy.Step{policy.Key("replacements"), policy.Index(i)}, path...)...)
			}})
			continue
		}
		file := l.abs(r.Path)
		content, err := t.files.readOriginal(file)
		if err != nil {
			continue
		}
		source := raw.Open(relative(t.root, file), content)
		var many []types.Replacement
		if yaml.Unmarshal(content, &many) != nil {
			var one types.Replacement
			if yaml.Unmarshal(content, &one) == nil {
				all = append(all, replacement{one, func(path ...policy.Step) policy.Location {
					at, _ := source.Locate(0, path)
					return at
				}})
			}
			continue
		}
		for j, r := range many {
			all = append(all, replacement{r, func(path ...policy.Step) policy.Location {
				at, _ := source.Locate(0, append(policy.Path{policy.Index(j)}, path...))
				return at
			}})
		}
	}
	return all
}

func (l *layer) replaces(o *Origin, path policy.Path) (policy.Location, bool) {
	for _, r := range slices.Backward(l.replacements()) {
		for i, target := range r.Targets {
			if target.Select == nil || !o.isSelected(target.Select) {
				continue
			}
			for j, field := range target.FieldPaths {
				if sameField(o.content, field, path) {
					return r.locate(policy.Key("targets"), policy.Index(i), policy.Key("fieldPaths"), policy.Index(j)), true
				}
			}
		}
	}
	return policy.Location{}, false
}

// sameField compares a field path of kustomize, such as spec.containers.[name=web].image or spec.containers.*.image, with a
// path.
func sameField(content any, field string, path policy.Path) bool {
	parts := splitField(field)
	if len(parts) != len(path) {
		return false
	}
	value := content
	for i, part := range parts {
		step := path[i]
		element := child(value, step)
		switch {
		case part == "*":
		case strings.HasPrefix(part, "[") && strings.HasSuffix(part, "]"):
			key, wanted, ok := strings.Cut(part[1:len(part)-1], "=")
			m, isMap := element.(map[string]any)
			if !ok || !isMap || m[key] != wanted {
				return false
			}
		case step.IsIndex:
			if (policy.Path{step}).String() != "["+part+"]" {
				return false
			}
		case step.Key != part:
			return false
		}
		value = element
	}
	return true
}

// splitField splits at dots that are neither escaped nor in brackets.
func splitField(field string) []string {
	var parts []string
	var part strings.Builder
	depth := 0
	for i := 0; i < len(field); i++ {
		switch c := field[i]; {
		case c == '\\' && i+1 < len(field):
			i++
			part.WriteByte(field[i])
		case c == '.' && depth == 0:
			parts = append(parts, part.String())
			part.Reset()
		default:
			if c == '[' {
				depth++
			} else if c == ']' {
				depth--
			}
			part.WriteByte(c)
		}
	}
	return append(parts, part.String())
}

func (l *layer) setsImage(o *Origin, path policy.Path) (policy.Location, bool) {
	if len(path) == 0 || path[len(path)-1] != policy.Key("image") {
		return policy.Location{}, false
	}
	image, _ := at(o.content, path).(string)
	before, _ := o.inBase(path).(string)
	for _, list := range []struct {
		field  string
		images []types.Image
	}{{"images", l.spec.Images}, {"imageTags", l.imageTags()}} {
		for i, entry := range slices.Backward(list.images) {
			if repository(before) != entry.Name && repository(image) != entry.NewName && repository(image) != entry.Name {
				continue
			}
			steps := []policy.Step{policy.Key(list.field), policy.Index(i)}
			switch {
			case entry.NewTag != "":
				steps = append(steps, policy.Key("newTag"))
			case entry.Digest != "":
				steps = append(steps, policy.Key("digest"))
			case entry.NewName != "":
				steps = append(steps, policy.Key("newName"))
			}
			return l.at("", steps...), true
		}
	}
	return policy.Location{}, false
}

// repository is an image without tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return image
}

// inBase is the value of a field in the base; nil when there is none.
func (o *Origin) inBase(path policy.Path) any {
	if o.base == nil {
		return nil
	}
	mapped, present := follow(o.content, o.base.Content, path)
	if present < len(path) {
		return nil
	}
	return at(o.base.Content, mapped)
}

// pathInBase is the path of a field before the elements of lists were put in another order; ok is false when it is the same
// path, and when the field has the base's value, which nothing else set.
func (o *Origin) pathInBase(path policy.Path) (before policy.Path, ok bool) {
	if o.base == nil {
		return nil, false
	}
	before, present := follow(o.content, o.base.Content, path)
	if slices.Equal(before, path) || present == len(path) && same(at(o.base.Content, before), at(o.content, path)) {
		return nil, false
	}
	return before, true
}

func (l *layer) setsReplicas(o *Origin, path policy.Path) (policy.Location, bool) {
	if path.String() != "spec.replicas" {
		return policy.Location{}, false
	}
	for i, r := range slices.Backward(l.spec.Replicas) {
		if slices.Contains(o.known.names, r.Name) {
			return l.at("", policy.Key("replicas"), policy.Index(i), policy.Key("count")), true
		}
	}
	return policy.Location{}, false
}

func (l *layer) setsAnnotation(_ *Origin, path policy.Path) (policy.Location, bool) {
	key, ok := entryOf(path, "annotations")
	if _, set := l.spec.CommonAnnotations[key]; !ok || !set {
		return policy.Location{}, false
	}
	return l.at("", policy.Key("commonAnnotations"), policy.Key(key)), true
}

func (l *layer) setsLabel(_ *Origin, path policy.Path) (policy.Location, bool) {
	if len(path) < 2 || path[len(path)-1].IsIndex {
		return policy.Location{}, false
	}
	key := path[len(path)-1].Key
	for i, entry := range slices.Backward(l.spec.Labels) {
		if _, set := entry.Pairs[key]; set && reaches(&entry, path[:len(path)-1]) {
			return l.at("", policy.Key("labels"), policy.Index(i), policy.Key("pairs"), policy.Key(key)), true
		}
	}
	if _, set := l.commonLabels()[key]; set && reaches(&types.Label{IncludeSelectors: true}, path[:len(path)-1]) {
		return l.at("", policy.Key("commonLabels"), policy.Key(key)), true
	}
	return policy.Location{}, false
}

// reaches tells whether an entry sets labels in the map at a path.
func reaches(entry *types.Label, path policy.Path) bool {
	isTemplate := len(path) > 2 // deeper than metadata.labels
	switch last := path[len(path)-1].Key; {
	case last == "labels" && !isTemplate, entry.IncludeSelectors && (last == "labels" || last == "matchLabels" || last == "selector"):
		return true
	case last == "labels" && path[0] == policy.Key("spec") && len(path) > 1 && path[1] == policy.Key("volumeClaimTemplates"):
		return entry.IncludeVolumeClaimTemplates
	case last == "labels" && entry.IncludeTemplates:
		return true
	}
	return slices.ContainsFunc(entry.FieldSpecs, func(f types.FieldSpec) bool {
		parts := strings.Split(strings.TrimPrefix(f.Path, "/"), "/")
		return len(parts) == len(path) && leads(parts, path)
	})
}

// entryOf is the key of a path that leads to an entry of a map with a name.
func entryOf(path policy.Path, name string) (key string, ok bool) {
	if n := len(path); n >= 2 && path[n-2] == policy.Key(name) && !path[n-1].IsIndex {
		return path[n-1].Key, true
	}
	return "", false
}
