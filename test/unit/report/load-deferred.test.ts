import { expect, it } from 'vitest'
import { loadDeferred } from '../../../src/report/load-deferred.js'

const failing = (message: string, code?: string) =>
  loadDeferred(() => Promise.reject(Object.assign(new Error(message), { code })))

it.each([
  ['ENOENT', "ENOENT: no such file or directory, open '/app/proto/rpc.proto'", '`external`'],
  ['ERR_MODULE_NOT_FOUND', "Cannot find package 'etcd3' imported from /app/index.js", '`external`'],
  ['MODULE_NOT_FOUND', "Cannot find module 'etcd3'\nRequire stack:\n- /app/index.js", 'install the package again'],
  ['EMFILE', "EMFILE: too many open files, open '/app/x.js'", 'close what is open or raise the limit'],
  [
    'ERR_REQUIRE_ESM',
    'require() of ES Module not supported.\nInstead change it.',
    'not supported. The `cause` of this error',
  ],
])('A load that fails with %s has the remedy for it, in one line', async (code, reason, remedy) => {
  const error = await failing(reason, code).catch((error: unknown) => error as Error)
  expect(error).toMatchObject({ code: 'ERR_LOAD_FAILED', details: { errorCode: code } })
  expect(error.message).toContain(remedy)
  expect(error.message).not.toMatch(/u\{a\}|\n/)
})

it('An error without a code is passed on as the cause', async () => {
  await expect(failing('no reason')).rejects.toMatchObject({
    details: { errorCode: null },
    cause: new Error('no reason'),
  })
})
