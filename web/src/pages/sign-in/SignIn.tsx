import { Alert, Button, Divider, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { IconAlertTriangle, IconLogin2 } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { createLazyRoute, Navigate, useRouter } from '@tanstack/react-router'
import { type SyntheticEvent, useEffect, useState } from 'react'
import { RequestError } from '../../api/problem'
import { sessionQuery, signIn } from '../../api/session'
import { Loaded } from '../../ui/Loaded'
import classes from './SignIn.module.css'

export const route = createLazyRoute('/sign-in')({ component: SignInPage })

/** A path of this hub, whatever the address says: nobody is led elsewhere by a link to the sign-in page. */
export function within(path: string | undefined): string {
  if (!path?.startsWith('/')) return '/'
  const url = new URL(path, window.location.origin)
  return url.origin === window.location.origin ? url.pathname + url.search + url.hash : '/'
}

function SignInPage() {
  const search = route.useSearch()
  const session = useQuery(sessionQuery)
  const target = within(search.return_to)
  useEffect(() => {
    document.title = 'Sign in · Assay'
  }, [])
  return (
    <main className={classes.page}>
      <Paper className={classes.card} p="xl">
        <Stack gap="md">
          <div>
            <img src="/favicon.svg" width={36} height={36} alt="" />
            <Title order={1} mt="xs">
              Sign in to Assay
            </Title>
            <Text size="sm" c="dimmed">
              What you see is what Kubernetes’ rights let you see.
            </Text>
          </div>
          <Loaded query={session}>
            {(found) => {
              if (found.signedIn) return <Navigate to={target} replace />
              const provider = found.signIn.find((way) => way.way === 'oidc')
              const password = found.signIn.some((way) => way.way === 'password')
              return (
                <>
                  {provider && (
                    <Button
                      component="a"
                      size="sm"
                      href={`${provider.path}?${new URLSearchParams({ return_to: target }).toString()}`}
                      leftSection={<IconLogin2 size={18} aria-hidden />}
                    >
                      Continue with your organisation’s sign-in
                    </Button>
                  )}
                  {provider && password && <Divider label="or" />}
                  {password && <PasswordForm target={target} />}
                  {found.signIn.length === 0 && (
                    <Alert color="yellow" icon={<IconAlertTriangle />} title="This hub has no way to sign in with a browser">
                      Start it with <code>--oidc-issuer-url</code> or <code>--users</code>; docs/hub.md says how. With a token of
                      the cluster, <code>assay get</code> and the API work.
                    </Alert>
                  )}
                </>
              )
            }}
          </Loaded>
        </Stack>
      </Paper>
    </main>
  )
}

function PasswordForm({ target }: { target: string }) {
  const queries = useQueryClient()
  const router = useRouter()
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const submit = async (event: SyntheticEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await signIn(queries, name, password)
      router.history.replace(target)
    } catch (cause) {
      setPassword('')
      setError(cause)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        {error !== undefined && (
          <Alert
            color="red"
            role="alert"
            icon={<IconAlertTriangle />}
            title={error instanceof RequestError && error.status === 401 ? 'Name or password are wrong' : 'That did not work'}
          >
            {error instanceof RequestError && error.status !== 401 ? error.message : 'Look at both, and try again.'}
          </Alert>
        )}
        <TextInput
          label="Name"
          name="username"
          autoComplete="username"
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoFocus
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
        />
        <Button type="submit" size="sm" loading={busy} variant="filled">
          Sign in
        </Button>
      </Stack>
    </form>
  )
}
