package kustomize

import (
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/policy"
)

const (
	remoteHint = "keep a copy of it in the repository, or use --allow-network"
	// maxLoads is how often kustomizations are included in all. Two that include the same two, and so on, double it
	// with every layer.
	maxLoads = 10_000
)

// verify goes through all layers before kustomize does, to name the line of what is missing, remote or circular; kustomize
// itself speaks of files only. Nothing may reach kustomize that makes it use the network when that is not allowed.
func (t *tree) verify(dir string, allowNetwork bool) []policy.Problem {
	v := verification{tree: t, allowNetwork: allowNetwork, loads: map[string]int{}}
	if l, err := t.layer(dir); err != nil {
		v.report(err)
	} else {
		v.verify(l, nil)
	}
	return v.problems
}

type verification struct {
	*tree
	allowNetwork bool
	// loads is how many kustomizations building a folder takes, itself included, for those that were verified.
	loads    map[string]int
	problems []policy.Problem
}

func (v *verification) report(err error) {
	if p, ok := err.(*problemAt); ok {
		v.problems = append(v.problems, p.Problem)
	}
}

func (v *verification) verify(l *layer, above []string) {
	if v.loads[l.dir] > 0 {
		return
	}
	above = append(above[:len(above):len(above)], l.dir)
	loads := 1
	for _, r := range slices.Concat(l.includes(), l.plugins()) {
		included := v.include(l, r, above)
		if included <= maxLoads && loads+included > maxLoads {
			v.report(problem(l.at("", r.path...), "include each of them once",
				"kustomizations are included more than %d times in all, by one another", maxLoads))
		}
		loads = min(loads+included, maxLoads+1)
	}
	for _, r := range l.reads() {
		if v.isLocal(l, r) && !v.files.Exists(l.abs(r.value)) {
			v.report(problem(l.at("", r.path...), "", "%s does not exist", r.value))
		}
	}
	v.texts(l)
	v.charts(l)
	v.loads[l.dir] = loads
}

// include verifies what an entry refers to, and returns how many kustomizations that takes.
func (v *verification) include(l *layer, r reference, above []string) (loads int) {
	at := l.at("", r.path...)
	abs := l.abs(r.value)
	isFolder := v.files.IsDir(abs)
	switch {
	case r.value == "":
		v.report(problem(at, "delete it", "the entry is empty"))
	case !v.isLocal(l, r):
	case r.kind == toPlugin && isInline(r.value):
		v.plugin(l, r, []byte(r.value))
	case isFolder && slices.Contains(above, abs):
		v.report(problem(at, "break the circle", "%s includes itself: %s is among what includes it", relative(v.root, abs), relative(v.root, l.dir)))
	case isFolder:
		included, err := v.layer(abs)
		if err != nil {
			v.report(err)
			return 0
		}
		v.verify(included, above)
		return v.loads[abs]
	case !v.files.Exists(abs):
		v.report(problem(at, "", "%s does not exist", r.value))
	case r.kind == toFolder:
		v.report(problem(at, "", "%s is a file, where a folder with a kustomization is needed", r.value))
	case r.kind == toPlugin:
		if content, err := v.files.readOriginal(abs); err == nil {
			v.plugin(l, r, content)
		}
	}
	return 0
}

// isLocal tells whether kustomize will look for an entry in the tree, and reports one that it must not fetch.
func (v *verification) isLocal(l *layer, r reference) bool {
	switch {
	case isDownload(r.value):
	case r.kind == toFile, r.kind == toPlugin && isInline(r.value):
		return true
	case r.kind != toFolder && v.files.Exists(l.abs(r.value)) && !v.files.IsDir(l.abs(r.value)):
		return true
	case !isRemote(r.value):
		return true
	}
	if !v.allowNetwork {
		v.remote(l, r, r.value)
	}
	return false
}

func (v *verification) remote(l *layer, r reference, value string) {
	v.report(problem(l.at("", r.path...), remoteHint, "%s is on another machine and was not fetched, so this kustomization was not checked", value))
}

// plugin reports the first file that the configuration of a plugin would make kustomize download.
func (v *verification) plugin(l *layer, r reference, content []byte) {
	if v.allowNetwork || checkAliases(content) != nil {
		return
	}
	for _, text := range splitDocuments(content) {
		var config any
		if yaml.Unmarshal(text, &config) != nil {
			continue
		}
		if url, ok := download(config, false); ok {
			v.remote(l, r, url)
			return
		}
	}
}

// download finds the URL of a file in the configuration of a plugin: in those of its fields that name files.
func download(config any, isFile bool) (url string, ok bool) {
	switch c := config.(type) {
	case map[string]any:
		for key, value := range c {
			switch key {
			case "path", "paths", "files", "env", "envs", "replacements", "Replacements":
				isFile = true
			default:
				isFile = false
			}
			if url, ok := download(value, isFile); ok {
				return url, true
			}
		}
	case []any:
		for _, value := range c {
			if url, ok := download(value, isFile); ok {
				return url, true
			}
		}
	case string:
		if _, file := keyAndFile(c); isFile && (isDownload(c) || isDownload(file)) {
			return c, true
		}
	}
	return "", false
}

// texts reports patches and plugins in the kustomization itself that kustomize would not survive.
func (v *verification) texts(l *layer) {
	check := func(text string, path ...policy.Step) {
		if err := checkAliases([]byte(text)); err != nil {
			v.report(problem(l.at("", path...), "", "%v", err))
		}
	}
	for _, p := range l.patches() {
		check(p.inline, p.at...)
	}
	for _, r := range l.plugins() {
		check(r.value, r.path...)
	}
}

// charts reports charts, which kustomize would inflate by running a helm program.
func (v *verification) charts(l *layer) {
	report := func(field string, i int, name string) {
		v.report(problem(l.at("", policy.Key(field), policy.Index(i)), "check the chart itself: assay check <chart folder> --values <file>",
			"chart %s is inflated by running helm, which a check does not do, so this kustomization was not checked", name))
	}
	for i, c := range l.spec.HelmCharts {
		report("helmCharts", i, c.Name)
	}
	for i, c := range l.spec.HelmChartInflationGenerator {
		report("helmChartInflationGenerator", i, c.ChartName)
	}
}
