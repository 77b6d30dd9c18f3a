package cluster

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/kubectl/pkg/util/fieldpath"
	"k8s.io/kubectl/pkg/util/resource"
)

// environment is that of the container's spec, with its references resolved and paths of mounts replaced.
func (c *container) environment(ctx context.Context) (map[string]string, error) {
	object := c.pod.seen()
	all := map[string]string{}
	for _, from := range c.spec.EnvFrom {
		values, err := c.pod.volumes.environment(ctx, from)
		if err != nil {
			return nil, err
		}
		for k, v := range values {
			all[from.Prefix+k] = v
		}
	}
	for _, e := range c.spec.Env {
		value := expand(e.Value, all)
		var err error
		switch from := e.ValueFrom; {
		case from == nil:
		case from.FieldRef != nil && from.FieldRef.FieldPath == "status.podIP":
			value = c.pod.address
		case from.FieldRef != nil && from.FieldRef.FieldPath == "spec.nodeName":
			value = nodeName
		case from.FieldRef != nil && strings.HasPrefix(from.FieldRef.FieldPath, "spec.serviceAccountName"):
			value = object.Spec.ServiceAccountName
		case from.FieldRef != nil:
			value, err = fieldpath.ExtractFieldPathAsString(object, from.FieldRef.FieldPath)
		case from.ResourceFieldRef != nil:
			value, err = resourceField(from.ResourceFieldRef, c.spec)
		default:
			value, err = c.pod.volumes.value(ctx, from)
		}
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", e.Name, err)
		}
		all[e.Name] = c.mounted(value)
	}
	return all, nil
}

// resourceField is what the container may use; without a limit it is what the node has.
func resourceField(ref *corev1.ResourceFieldSelector, spec *corev1.Container) (string, error) {
	limited := spec.DeepCopy()
	if limited.Resources.Limits == nil {
		limited.Resources.Limits = corev1.ResourceList{}
	}
	if _, ok := limited.Resources.Limits[corev1.ResourceMemory]; !ok {
		limited.Resources.Limits[corev1.ResourceMemory] = nodeMemory
	}
	return resource.ExtractContainerResourceValue(ref, limited)
}

func listed(environment map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		list = append(list, name+"="+environment[name])
	}
	return list
}

// arguments of the container's program; an image's entrypoint is the program itself.
func (c *container) arguments(environment map[string]string) []string {
	var arguments []string
	for _, a := range append(slices.Clone(c.spec.Command[min(1, len(c.spec.Command)):]), c.spec.Args...) {
		arguments = append(arguments, c.mounted(expand(a, environment)))
	}
	return arguments
}

var reference = regexp.MustCompile(`\$\([A-Za-z_][A-Za-z0-9_.-]*\)`)

// expand replaces $(NAME) by variables; unknown ones stay.
func expand(s string, environment map[string]string) string {
	return reference.ReplaceAllStringFunc(s, func(name string) string {
		if value, ok := environment[name[2:len(name)-1]]; ok {
			return value
		}
		return name
	})
}

// mounted replaces paths within the container by those of its volumes' folders.
func (c *container) mounted(s string) string { return mounted(s, c.spec.VolumeMounts, c.pod.volumes) }

func mounted(s string, mounts []corev1.VolumeMount, volumes *volumes) string {
	byLength := slices.Clone(mounts)
	slices.SortFunc(byLength, func(a, b corev1.VolumeMount) int { return len(b.MountPath) - len(a.MountPath) })
	for _, m := range byLength {
		path := regexp.QuoteMeta(filepath.Clean(m.MountPath))
		s = regexp.MustCompile(`(^|[^A-Za-z0-9_./-])`+path+`($|[^A-Za-z0-9_.-])`).
			ReplaceAllString(s, "${1}"+strings.ReplaceAll(filepath.Join(volumes.folder(m.Name), m.SubPath), "$", "$$")+"${2}")
	}
	return s
}

// kubeconfig writes one with the ServiceAccount's token that the container mounts, where client-go looks outside of a
// cluster; nothing when it mounts none.
func (c *container) kubeconfig() (string, error) {
	for _, m := range c.spec.VolumeMounts {
		if m.MountPath != "/var/run/secrets/kubernetes.io/serviceaccount" {
			continue
		}
		file := filepath.Join(c.pod.dir, "kubeconfig")
		token := filepath.Join(c.pod.volumes.folder(m.Name), corev1.ServiceAccountTokenKey)
		if _, err := os.Stat(token); err != nil {
			return "", fmt.Errorf("the ServiceAccount's token: %w", err)
		}
		return file, writeKubeconfig(file, c.pod.node.cluster.server, c.pod.node.cluster.keys.caCert, &clientcmdapi.AuthInfo{TokenFile: token})
	}
	return "", nil
}
