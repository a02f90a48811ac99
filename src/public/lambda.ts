/**
 * For AWS Lambda behind API Gateway (REST and HTTP APIs), a load balancer or a function URL; Alibaba Cloud Function
 * Compute 3, Tencent Cloud SCF and Huawei Cloud FunctionGraph.
 *
 * @packageDocumentation
 */
export { type LambdaEvent, type LambdaResult, lambdaOrderSync } from '../adapters/lambda.ts'
