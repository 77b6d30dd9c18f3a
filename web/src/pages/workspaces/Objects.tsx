import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { reading, type Schemas } from '../../api/client'
import { CodeView } from '../../ui/CodeView'
import { Copy } from '../../ui/Copy'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Partial } from '../../ui/Partial'
import { Section } from '../../ui/Section'
import { Time } from '../../ui/Time'
import classes from './Objects.module.css'
import { limitsNames, readable } from './rules'

interface Properties {
  name: string
  /** The object, as namespace/name, whose manifest is shown. */
  shown: string | undefined
  show: (object: string | undefined) => void
}

export function ServiceAccounts({ name, ...showing }: Properties) {
  const query = useQuery(reading('/v1/workspaces/{name}/serviceaccounts', { path: { name } }))
  return (
    <Section title="Service accounts" flush>
      <Loaded query={query}>{(data) => <List {...data} {...showing} none="It has no service accounts" />}</Loaded>
    </Section>
  )
}

export function Roles({ name, ...showing }: Properties) {
  const query = useQuery(reading('/v1/workspaces/{name}/roles', { path: { name } }))
  return (
    <Section title="Roles" flush>
      <Loaded query={query}>
        {(data) => <List {...data} {...showing} none="It has no roles" about={(role) => <Rules role={role} />} />}
      </Loaded>
    </Section>
  )
}

export function RoleBindings({ name, ...showing }: Properties) {
  const query = useQuery(reading('/v1/workspaces/{name}/rolebindings', { path: { name } }))
  return (
    <Section title="Role bindings" flush>
      <Loaded query={query}>
        {(data) => (
          <List
            {...data}
            {...showing}
            none="It has no role bindings"
            about={(binding) => (
              <Text size="sm">
                {binding.role.kind} <b>{binding.role.name}</b> to{' '}
                {binding.subjects.map((s) => `${s.kind} ${s.namespace ? `${s.namespace}/` : ''}${s.name}`).join(', ') || 'nobody'}
              </Text>
            )}
          />
        )}
      </Loaded>
    </Section>
  )
}

function Rules({ role }: { role: Schemas['WorkspaceRole'] }) {
  return (
    <>
      <ul className={classes.rules}>
        {role.rules.map((rule, i) => {
          const { may, what, of } = readable(rule)
          return (
            <li key={i}>
              <b>{may}</b> {what} {of && <span className={classes.group}>of {of}</span>}
            </li>
          )
        })}
      </ul>
      {limitsNames(role.manifest) && (
        <Alert variant="light" color="gray" p="xs">
          Some of it is limited to objects by name: the manifest says which.
        </Alert>
      )}
    </>
  )
}

interface ListProperties<T extends Schemas['WorkspaceObject']> extends Omit<Properties, 'name'> {
  objects: T[]
  errors: Schemas['ListError'][]
  none: string
  about?: (object: T) => ReactNode
}

function List<T extends Schemas['WorkspaceObject']>({ objects, errors, none, about, shown, show }: ListProperties<T>) {
  return (
    <>
      <Partial errors={errors} />
      {objects.length === 0 && errors.length === 0 && <Empty title={none} />}
      <ul className={classes.list}>
        {objects.map((object) => {
          const key = `${object.namespace}/${object.name}`
          const open = shown === key
          return (
            <li key={key} className={classes.object}>
              <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
                <div className={classes.name}>
                  <Text size="sm" fw={550}>
                    {object.name}
                  </Text>
                  <Text size="xs" c="dimmed">
                    in {object.namespace}, made <Time at={object.timestamp} />
                  </Text>
                </div>
                <Button
                  variant="default"
                  size="compact-xs"
                  aria-expanded={open}
                  aria-label={`Manifest of ${key}`}
                  onClick={() => show(open ? undefined : key)}
                >
                  {open ? 'Hide manifest' : 'Manifest'}
                </Button>
              </Group>
              {about?.(object)}
              {open && (
                <Stack gap={6} mt={6}>
                  <Group justify="flex-end">
                    <Copy text={object.manifest} />
                  </Group>
                  <CodeView text={object.manifest} language="yaml" label={`Manifest of ${key}`} maxHeight="60vh" />
                </Stack>
              )}
            </li>
          )
        })}
      </ul>
    </>
  )
}
