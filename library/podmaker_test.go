package library_test

import (
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// podMaker makes pods that set what the Pod Security Standards speak of, to values that are right more often than not.
type podMaker struct{ *rand.Rand }

// rarely is true once in a while: often enough that every control is violated by some pods, seldom enough that many
// pods violate none.
func (m *podMaker) rarely() bool { return m.IntN(40) == 0 }

func (m *podMaker) sometimes() bool { return m.IntN(3) == 0 }

func choose[T any](m *podMaker, values ...T) T { return values[m.IntN(len(values))] }

func (m *podMaker) pod() *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "pod", Namespace: "shop"},
	}
	windows := m.IntN(10) == 0
	if windows {
		pod.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
	} else if m.sometimes() {
		pod.Spec.OS = &corev1.PodOS{Name: corev1.Linux}
	}
	pod.Spec.HostNetwork, pod.Spec.HostPID, pod.Spec.HostIPC = m.rarely(), m.rarely(), m.rarely()
	if m.IntN(8) == 0 {
		pod.Spec.HostUsers = new(choose(m, true, false))
	}
	if !windows && m.rarely() {
		pod.Annotations = map[string]string{
			"container.apparmor.security.beta.kubernetes.io/app": choose(m, "", "runtime/default", "localhost/strict", "unconfined"),
			"example.com/other": "unconfined",
		}
	}
	// Most pods are careful, or no pod would satisfy the restricted level.
	careful := m.IntN(4) != 0
	pod.Spec.SecurityContext = m.podContext(windows, careful)
	for i := range m.IntN(4) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, m.volume(i))
	}
	for range 1 + m.IntN(2) {
		pod.Spec.Containers = append(pod.Spec.Containers, m.container("app", windows, careful))
	}
	if m.sometimes() {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, m.container("setup", windows, careful))
	}
	if m.IntN(6) == 0 {
		c := m.container("debug", windows, careful)
		c.Ports = nil
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers,
			corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon(c)})
	}
	return pod
}

func (m *podMaker) podContext(windows, careful bool) *corev1.PodSecurityContext {
	if !careful && m.sometimes() {
		return nil
	}
	context := &corev1.PodSecurityContext{}
	if careful || m.sometimes() {
		context.RunAsNonRoot = new(!m.rarely())
	}
	if m.IntN(10) == 0 {
		context.RunAsUser = new(choose[int64](m, 0, 1, 1000))
	}
	if windows {
		if m.sometimes() {
			context.WindowsOptions = &corev1.WindowsSecurityContextOptions{HostProcess: new(m.rarely())}
		}
		return context
	}
	if careful || m.sometimes() {
		context.SeccompProfile = m.seccomp()
	}
	context.SELinuxOptions, context.AppArmorProfile = m.selinux(), m.apparmor()
	if m.IntN(12) == 0 {
		context.Sysctls = append(context.Sysctls, corev1.Sysctl{
			Name: choose(m, "kernel.shm_rmid_forced", "net.ipv4.tcp_rmem", "net.ipv4.tcp_notsent_lowat", "net.core.somaxconn", "kernel.core_pattern"), Value: "1",
		})
	}
	return context
}

func (m *podMaker) container(name string, windows, careful bool) corev1.Container {
	c := corev1.Container{Name: name, Image: "registry.test/app:1"}
	for range m.IntN(2) {
		port := corev1.ContainerPort{ContainerPort: 8080}
		if m.rarely() {
			port.HostPort = choose[int32](m, 0, 80)
		}
		c.Ports = append(c.Ports, port)
	}
	c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = m.probe(), m.probe(), m.probe()
	if m.IntN(10) == 0 {
		c.Lifecycle = &corev1.Lifecycle{PostStart: m.handler(), PreStop: m.handler()}
	}
	if !careful && m.sometimes() {
		return c
	}
	c.SecurityContext = m.containerContext(windows, careful)
	return c
}

func (m *podMaker) containerContext(windows, careful bool) *corev1.SecurityContext {
	context := &corev1.SecurityContext{}
	if m.IntN(10) == 0 {
		context.RunAsNonRoot = new(choose(m, true, true, false))
	}
	if m.IntN(10) == 0 {
		context.RunAsUser = new(choose[int64](m, 0, 1000, 2000))
	}
	if windows {
		if m.sometimes() {
			context.WindowsOptions = &corev1.WindowsSecurityContextOptions{HostProcess: new(m.rarely())}
		}
		return context
	}
	context.Privileged = choose(m, nil, new(false), new(m.rarely()))
	if careful || m.sometimes() {
		context.AllowPrivilegeEscalation = new(m.rarely())
		context.Capabilities = m.capabilities(careful)
	}
	if m.IntN(8) == 0 {
		context.SeccompProfile = m.seccomp()
	}
	context.SELinuxOptions, context.AppArmorProfile = m.selinux(), m.apparmor()
	if m.IntN(10) == 0 {
		context.ProcMount = new(choose(m, corev1.DefaultProcMount, corev1.UnmaskedProcMount))
	}
	return context
}

func (m *podMaker) capabilities(careful bool) *corev1.Capabilities {
	capabilities := &corev1.Capabilities{}
	if careful {
		capabilities.Drop = []corev1.Capability{"ALL"}
	} else {
		capabilities.Drop = choose(m, nil, []corev1.Capability{"NET_RAW"}, []corev1.Capability{"NET_RAW", "ALL"})
	}
	for range m.IntN(8) / 6 {
		capabilities.Add = append(capabilities.Add, choose[corev1.Capability](m, "NET_BIND_SERVICE", "NET_BIND_SERVICE", "CHOWN", "MKNOD", "NET_RAW", "SYS_ADMIN", "ALL"))
	}
	return capabilities
}

func (m *podMaker) seccomp() *corev1.SeccompProfile {
	if m.rarely() {
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	}
	return &corev1.SeccompProfile{Type: choose(m, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeLocalhost)}
}

func (m *podMaker) selinux() *corev1.SELinuxOptions {
	if m.IntN(12) != 0 {
		return nil
	}
	return &corev1.SELinuxOptions{
		Type: choose(m, "", "container_t", "container_kvm_t", "container_engine_t", "spc_t"),
		User: choose(m, "", "", "", "root"), Role: choose(m, "", "", "", "sysadm_r"), Level: choose(m, "", "s0:c1"),
	}
}

func (m *podMaker) apparmor() *corev1.AppArmorProfile {
	if m.IntN(12) != 0 {
		return nil
	}
	return &corev1.AppArmorProfile{
		Type: choose(m, corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeLocalhost, corev1.AppArmorProfileTypeUnconfined),
	}
}

func (m *podMaker) probe() *corev1.Probe {
	if m.sometimes() {
		return nil
	}
	handler := m.handler()
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: handler.HTTPGet, TCPSocket: handler.TCPSocket}}
}

func (m *podMaker) handler() *corev1.LifecycleHandler {
	host := ""
	if m.IntN(100) == 0 {
		host = "10.0.0.1"
	}
	port := intstr.FromInt32(80)
	if m.sometimes() {
		return &corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Host: host, Port: port}}
	}
	return &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: host, Port: port}}
}

// volume is of a type that the restricted level allows, mostly.
func (m *podMaker) volume(i int) corev1.Volume {
	volume := corev1.Volume{Name: "volume-" + string(rune('a'+i))}
	if m.IntN(20) == 0 {
		volume.VolumeSource = choose(m,
			corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}},
			corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nfs", Path: "/"}},
			corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{}},
			corev1.VolumeSource{GCEPersistentDisk: &corev1.GCEPersistentDiskVolumeSource{}},
			corev1.VolumeSource{AzureFile: &corev1.AzureFileVolumeSource{}},
			corev1.VolumeSource{PortworxVolume: &corev1.PortworxVolumeSource{}},
			corev1.VolumeSource{FlexVolume: &corev1.FlexVolumeSource{}},
			corev1.VolumeSource{},
		)
		return volume
	}
	volume.VolumeSource = choose(m,
		corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
		corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}},
		corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}},
		corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{}},
		corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}},
		corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}},
		corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{}},
		corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}},
		corev1.VolumeSource{Image: &corev1.ImageVolumeSource{}},
	)
	return volume
}
