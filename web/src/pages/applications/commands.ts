// What Kubernetes allows as a name. The name is from the address, which anybody may have made: nothing else becomes a command to copy.
const allowed = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

const kinds: Record<string, string> = { Kustomization: 'kustomization', HelmRelease: 'helmrelease' }

/** Commands to look further at a Flux object; none when it is no name that there can be. */
export function commands(kind: string, namespace: string, name: string): string[] {
  const flux = kinds[kind]
  if (!flux || !allowed.test(namespace) || !allowed.test(name)) return []
  return [
    `flux get ${flux} ${name} -n ${namespace}`,
    ...(flux === 'kustomization' ? [`flux tree kustomization ${name} -n ${namespace}`] : []),
    `flux events --for ${kind}/${name} -n ${namespace}`,
  ]
}
