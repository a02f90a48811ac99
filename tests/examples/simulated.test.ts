import { join } from 'node:path'
import { Client } from 'pg'
import { expect, inject, test } from 'vitest'
import { gateway } from '../cli/identity.ts'
import { cli, temporaryFolder } from '../support/cli.ts'
import { install, pack, start } from './application.ts'

const folder = temporaryFolder()
const postgresUrl = inject('postgresUrl')

test.skipIf(postgresUrl === undefined)(
  'example 02-express on PostgreSQL conforms to every scenario of simulate',
  async ({ onTestFinished }) => {
    const copy = join(folder, 'express')
    await install('02-express', await pack(folder), copy)
    const database = `simulated_${process.pid}`
    const admin = new Client({ connectionString: postgresUrl })
    await admin.connect()
    onTestFinished(() => admin.end())
    await admin.query(`CREATE DATABASE ${database}`)
    const url = new URL(postgresUrl ?? '')
    url.pathname = `/${database}`
    const application = await start('node server.js', copy, { DATABASE_URL: url.href })
    onTestFinished(() => void application.child.kill('SIGKILL'))
    const target = ['--url', `http://127.0.0.1:${application.port}`, ...gateway()]
    for (const scenario of ['bad-day', 'smoke', 'encrypted', 'duplicates', 'security']) {
      const { code, stdout } = await cli(['simulate', '--scenario', scenario, ...target])
      expect(stdout).toContain('The endpoint conforms')
      expect(code).toBe(0)
    }
    // Each order of the burst was processed once, by the log of the application.
    application.child.kill('SIGTERM')
    const { code, events } = await application.ended
    expect(code).toBe(0)
    const processed = events
      .filter(({ kind }) => kind === 'processed')
      .map(({ merchantBizNo, requestId }) => `${merchantBizNo} ${requestId}`)
    expect(processed.length).toBeGreaterThan(80)
    expect(new Set(processed).size).toBe(processed.length)
  },
)
