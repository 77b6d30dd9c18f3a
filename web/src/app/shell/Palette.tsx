import { Spotlight, type SpotlightActionGroupData, createSpotlight } from '@mantine/spotlight'
import { useDebouncedValue } from '@mantine/hooks'
import { IconAlertOctagon, IconBoxMultiple, IconListCheck, IconSearch, IconUsersGroup } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { reading } from '../../api/client'
import { may, useSession } from '../../api/session'
import { groups } from './navigation'

const [palette, { open, toggle }] = createSpotlight()
const most = 8

/** The command palette: pages, policies, workspaces, applications and objects by name. `asked` goes up when it is to be opened or closed. */
export function Palette({ asked }: { asked: number }) {
  const navigate = useNavigate()
  const session = useSession()
  const [text, setText] = useState('')
  const [settled] = useDebouncedValue(text.trim(), 150)
  useEffect(() => {
    if (asked === 1) open()
    else toggle()
  }, [asked])

  const wanted = settled.length > 1
  const policies = useQuery({ ...reading('/v1/policies', { query: { limit: 1000 } }), enabled: may(session, 'policies') })
  const workspaces = useQuery({ ...reading('/v1/workspaces', { query: { limit: 1000 } }), enabled: may(session, 'workspaces') })
  const apps = useQuery({
    ...reading('/v1/facets', { query: { dimension: ['app'], limit: 1000 } }),
    enabled: may(session, 'violations'),
  })
  const objects = useQuery({
    ...reading('/v1/violations', { query: { text: settled, limit: 50, order: 'object' } }),
    enabled: wanted && may(session, 'violations'),
  })

  const means = (...words: string[]) => words.some((word) => word.toLowerCase().includes(text.trim().toLowerCase()))
  const found: SpotlightActionGroupData[] = []
  const add = (group: string, actions: SpotlightActionGroupData['actions']) => {
    if (actions.length > 0) found.push({ group, actions: actions.slice(0, most) })
  }
  add(
    'Pages',
    groups
      .flatMap((group) => group.places)
      .filter((place) => means(place.label))
      .map((place) => ({
        id: place.to,
        label: place.label,
        leftSection: <place.icon size={18} aria-hidden />,
        onClick: () => void navigate({ to: place.to }),
      })),
  )
  if (text.trim() !== '') {
    add(
      'Policies',
      (policies.data?.policies ?? [])
        .filter((policy) => means(policy.name, policy.id))
        .map((policy) => ({
          id: `policy ${policy.id}`,
          label: policy.name,
          description: policy.id,
          leftSection: <IconListCheck size={18} aria-hidden />,
          onClick: () => void navigate({ to: '/policies/$name', params: { name: policy.id } }),
        })),
    )
    add(
      'Workspaces',
      (workspaces.data?.workspaces ?? [])
        .filter((workspace) => means(workspace.name, ...workspace.namespaces))
        .map((workspace) => ({
          id: `workspace ${workspace.name}`,
          label: workspace.name,
          description: workspace.namespaces.join(', '),
          leftSection: <IconUsersGroup size={18} aria-hidden />,
          onClick: () => void navigate({ to: '/workspaces/$name', params: { name: workspace.name } }),
        })),
    )
    add(
      'Applications',
      (apps.data?.facets['app'] ?? [])
        .filter((app) => app.value !== '' && means(app.value))
        .map((app) => {
          const [kind = '', namespace = '', name = ''] = app.value.split('/')
          return {
            id: `app ${app.value}`,
            label: app.value,
            leftSection: <IconBoxMultiple size={18} aria-hidden />,
            onClick: () => void navigate({ to: '/applications/$kind/$namespace/$name', params: { kind, namespace, name } }),
          }
        }),
    )
    const seen = new Map(
      (wanted ? (objects.data?.items ?? []) : []).map((v) => [
        `${v.cluster}/${v.object.kind}/${v.object.namespace}/${v.object.name}`,
        v,
      ]),
    )
    add(
      'Objects that violate policies',
      [...seen].map(([key, v]) => ({
        id: `object ${key}`,
        label: `${v.object.kind} ${v.object.name}`,
        description: [v.object.namespace, v.cluster].filter(Boolean).join(' in '),
        leftSection: <IconAlertOctagon size={18} aria-hidden />,
        onClick: () =>
          void navigate({
            to: '/violations',
            search: { kind: [v.object.kind], name: [v.object.name], namespace: [v.object.namespace], cluster: [v.cluster] },
          }),
      })),
    )
  }
  return (
    <Spotlight
      store={palette}
      shortcut={null}
      actions={found}
      // What is found was filtered already, by ids as well.
      filter={(_, actions) => actions}
      query={text}
      onQueryChange={setText}
      nothingFound={objects.isFetching ? 'Looking…' : 'Nothing has that name'}
      highlightQuery
      scrollable
      maxHeight={460}
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: 'A policy, object, workspace, application or page',
        'aria-label': 'Find',
      }}
    />
  )
}
